import type { TokenizerFiles } from './tokenizer';

/** The size of CLIP's own vocabulary. */
export const CLIP_TOKENS = 49408;

/** CLIP's `tokenizer_config.json`, except for the pad token, which differs between Stable Diffusion 1.x and 2.x. */
export const CLIP_CONFIG = {
  tokenizer_class: 'CLIPTokenizer',
  bos_token: '<|startoftext|>',
  eos_token: '<|endoftext|>',
  unk_token: '<|endoftext|>',
  model_max_length: 77,
  do_lower_case: true,
};

/**
 * The vocabulary that follows from the merges, as CLIP's own does: the letters that stand for bytes, the same letters
 * at the end of a word, the merged tokens, and the start and end of text (OpenAI's simple_tokenizer.py).
 *
 * @param merges one per line
 */
export function vocabularyOf(merges: string): Pick<TokenizerFiles, 'vocab' | 'merges'> {
  const made = merges
    .trimEnd()
    .split('\n')
    .map((merge) => merge.replace(' ', ''));
  const letters = byteLetters();
  const tokens = [
    ...letters,
    ...letters.map((letter) => `${letter}</w>`),
    ...made,
    CLIP_CONFIG.bos_token,
    CLIP_CONFIG.eos_token,
  ];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: `#version: 0.2\n${merges}` };
}

/** A printable letter for every byte, starting with the bytes that are printable themselves. */
function byteLetters(): string[] {
  const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);
  const printed = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  return [...printed, ...range(256, 512 - printed.length)].map((letter) => String.fromCharCode(letter));
}
