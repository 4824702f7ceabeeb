import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { vocabularyOf } from '../../src/text/clipVocabulary';
import type { TokenizerFiles } from '../../src/text/tokenizer';

export const FIXTURES = join(__dirname, '../fixtures/text');

export const json = (path: string): any => JSON.parse(readFileSync(join(FIXTURES, path), 'utf8'));
export const unpacked = (path: string): string => gunzipSync(readFileSync(join(FIXTURES, path))).toString();

/**
 * The tokenizer of test/fixtures/checkpoint, or CLIP's own vocabulary with the configs of a folder of
 * test/fixtures/text.
 */
export function tokenizerFiles(name: 'sd1' | 'sd2' | 'small'): TokenizerFiles {
  const folder = name === 'small' ? '../checkpoint/tokenizer' : name;
  const files = {
    config: json(`${folder}/tokenizer_config.json`),
    specialTokens: json(`${folder}/special_tokens_map.json`),
  };
  if (name !== 'small')
    return {
      ...files,
      ...vocabularyOf(gunzipSync(readFileSync(join(__dirname, '../../weights/clip/merges.txt.gz'))).toString()),
    };
  return {
    ...files,
    vocab: json(`${folder}/vocab.json`),
    merges: readFileSync(join(FIXTURES, folder, 'merges.txt'), 'utf8'),
  };
}
