import type { TokenizerFiles } from './tokenizer';

/** How many tokens CLIP's own vocabulary has. */
export const CLIP_TOKENS = 49408;

/** CLIP's `tokenizer_config.json`, but for the pad token, in which Stable Diffusion 1.x and 2.x differ. */
export const CLIP_CONFIG = {
  tokenizer_class: 'CLIPTokenizer',
  bos_token: '<|startoftext|>',
  eos_token: '<|endoftext|>',
  unk_token: '<|endoftext|>',
  model_max_length: 77,
  do_lower_case: true,
};

/**
 * A vocabulary as it follows from its merges, as CLIP's own does: the letters that stand for the bytes, the same at a
 * word's end, what the merges make, start and end of text (OpenAI's simple_tokenizer.py).
 *
 * @param merges a line each
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

/** A printable letter for every byte, those that are printable themselves first. */
function byteLetters(): string[] {
  const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);
  const printed = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  return [...printed, ...range(256, 512 - printed.length)].map((letter) => String.fromCharCode(letter));
}
