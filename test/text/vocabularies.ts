import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { TokenizerFiles } from '../../src/text/tokenizer';

export const FIXTURES = join(__dirname, '../fixtures/text');

export const json = (path: string): any => JSON.parse(readFileSync(join(FIXTURES, path), 'utf8'));
export const unpacked = (path: string): string => gunzipSync(readFileSync(join(FIXTURES, path))).toString();

/** The tokenizer of test/fixtures/checkpoint, or CLIP's own vocabulary with the configs of a folder of test/fixtures/text. */
export function tokenizerFiles(name: 'sd1' | 'sd2' | 'small'): TokenizerFiles {
  const folder = name === 'small' ? '../checkpoint/tokenizer' : name;
  const files = { config: json(`${folder}/tokenizer_config.json`), specialTokens: json(`${folder}/special_tokens_map.json`) };
  if (name !== 'small') return { ...files, ...clipVocabulary() };
  return { ...files, vocab: json(`${folder}/vocab.json`), merges: readFileSync(join(FIXTURES, folder, 'merges.txt'), 'utf8') };
}

/** The vocabulary follows from the merges: the letters of the bytes, the same at a word's end, the merges, start and end. */
function clipVocabulary(): { vocab: Record<string, number>; merges: string } {
  const merges = unpacked('clip-merges.txt.gz');
  const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
  const printed = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  const letters = [...printed, ...range(256, 512 - printed.length)].map((letter) => String.fromCharCode(letter));
  const merged = merges.trimEnd().split('\n').map((merge) => merge.replace(' ', ''));
  const tokens = [...letters, ...letters.map((letter) => `${letter}</w>`), ...merged, '<|startoftext|>', '<|endoftext|>'];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: `#version: 0.2\n${merges}` };
}
