/**
 * Extends per-token values to all keys: keys after the tokens, which another controller has added (for example an image
 * prompt's), belong to no token and get `added`.
 *
 * @throws if there are fewer keys than tokens
 */
export function perKey<T>(perToken: Iterable<T>, keys: number, added: T): T[] {
  const ofTokens = [...perToken];
  if (keys < ofTokens.length)
    throw new Error(
      `The prompts were tokenized to ${ofTokens.length} tokens, but the attention has ${keys} keys. Tokenize them with the pipeline's tokenizer.`,
    );
  return [...ofTokens, ...Array<T>(keys - ofTokens.length).fill(added)];
}
