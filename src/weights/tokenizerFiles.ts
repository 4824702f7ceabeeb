import type { TokenizerFiles } from '../text/tokenizer';
import { type FileTree, nameIn, readJson, readText } from './fileTree';

/** The useful files that a tokenizer's folder may have. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
] as const;

/**
 * A tokenizer's files: `tokenizer.json`, or `vocab.json` and `merges.txt` as in SD 1.x; and their configs.
 *
 * @param folder the path in the tree; '' for the tree itself
 * @returns undefined if there is no vocabulary
 */
export async function readTokenizer(tree: FileTree, folder: string): Promise<TokenizerFiles | undefined> {
  const below = (file: (typeof TOKENIZER_FILES)[number]) => (folder === '' ? file : `${folder}/${file}`);
  const [tokenizer, vocab, merges] = await Promise.all([
    readJson(tree, below('tokenizer.json')),
    readJson(tree, below('vocab.json')),
    readText(tree, below('merges.txt')),
  ]);
  if (tokenizer === undefined && (vocab === undefined || merges === undefined)) return undefined;
  return {
    folder: folder === '' ? tree.name : nameIn(tree, folder),
    tokenizer,
    vocab: vocab as Record<string, number> | undefined,
    merges,
    config: await readJson(tree, below('tokenizer_config.json')),
    specialTokens: await readJson(tree, below('special_tokens_map.json')),
    addedTokens: await readJson(tree, below('added_tokens.json')),
  };
}
