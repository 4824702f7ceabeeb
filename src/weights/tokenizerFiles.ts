import type { TokenizerFiles } from '../text/tokenizer';
import { type FileTree, readJson, readText } from './fileTree';

/**
 * A tokenizer's files, as a diffusers folder has them: `tokenizer.json`, or `vocab.json` and `merges.txt`; `tokenizer_config.json`,
 * `special_tokens_map.json`.
 *
 * @param folder the path in the tree; '' for the tree itself
 * @returns nothing if there is no vocabulary
 */
export async function readTokenizer(tree: FileTree, folder: string): Promise<TokenizerFiles | undefined> {
  const below = (file: string) => (folder === '' ? file : `${folder}/${file}`);
  const [tokenizer, vocab, merges] = await Promise.all([
    readJson(tree, below('tokenizer.json')), readJson(tree, below('vocab.json')), readText(tree, below('merges.txt')),
  ]);
  if (tokenizer === undefined && (vocab === undefined || merges === undefined)) return undefined;
  return {
    tokenizer,
    vocab: vocab as Record<string, number> | undefined,
    merges,
    config: await readJson(tree, below('tokenizer_config.json')),
    specialTokens: await readJson(tree, below('special_tokens_map.json')),
  };
}
