/**
 * Checks prompts, which plain JavaScript may get wrong: one text alone has a length and elements too.
 *
 * @throws TypeError unless they are an array of texts
 */
export function expectTexts(prompts: readonly string[]): void {
  const given: unknown = prompts;
  if (!Array.isArray(given))
    throw new TypeError(`Expected the prompts as an array of texts, such as ['a cat', 'a dog'], not ${kindOf(given)}.`);
  const at = given.findIndex((prompt) => typeof prompt !== 'string');
  if (at >= 0) throw new TypeError(`Expected a text as prompt ${at + 1} of ${given.length}, not ${kindOf(given[at])}.`);
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return `the text "${value}"`;
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
