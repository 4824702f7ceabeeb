import { type ConfigFile, parsePythonJson } from '../config';
import { CheckpointError } from '../errors';
import { FOREIGN_BYTES, foreignKind } from './foreignFile';
import type { ByteSource } from './source';
import { decodeUtf8 } from './utf8';

/** A folder and everything below it, from any source. Paths are relative, with `/` between their parts. */
export interface FileTree {
  /** The folder's path, for messages. */
  readonly name: string;
  /** The names in a folder; none if there is no such folder. `''` is the tree itself. */
  list(folder: string): Promise<readonly string[]>;
  /** A file's bytes; undefined if there is no such file. */
  open(path: string): Promise<ByteSource | undefined>;
}

/** What {@link FileTree.list} returns for a folder, computed from the paths of all files. */
export function namesIn(folder: string, paths: readonly string[]): string[] {
  const prefix = folder === '' ? '' : `${folder}/`;
  const below = paths.filter((path) => path.startsWith(prefix));
  return [...new Set(below.map((path) => path.slice(prefix.length).split('/')[0]))];
}

/** The path of a file in the tree, for messages. */
export function nameIn(tree: FileTree, path: string): string {
  return tree.name === '' ? path : `${tree.name}/${path}`;
}

/**
 * A file's text without a byte order mark, which some editors add; undefined if there is no such file.
 *
 * @throws CheckpointError if the file exists but is not UTF-8, or is of another kind altogether
 */
export async function readText(tree: FileTree, path: string): Promise<string | undefined> {
  const file = await tree.open(path);
  if (!file) return undefined;
  const bytes = await file.read(0, file.size);
  const kind = foreignKind(bytes.subarray(0, FOREIGN_BYTES));
  if (kind) throw new CheckpointError(`${file.name} cannot be read: ${kind}.`);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new CheckpointError(`${file.name} is not UTF-8 text. Get the file again.`);
  return text.replace(/^\ufeff/, '');
}

/** @throws CheckpointError if the file exists but is not JSON */
export async function readJson(tree: FileTree, path: string): Promise<unknown> {
  const text = await readText(tree, path);
  if (text === undefined) return undefined;
  try {
    return parsePythonJson(text);
  } catch (error) {
    throw new CheckpointError(`${nameIn(tree, path)} is not JSON: ${(error as Error).message}. Get the file again.`);
  }
}

/** A JSON file with its name; undefined if there is none. @throws CheckpointError as {@link readJson} */
export async function readConfig(tree: FileTree, path: string): Promise<ConfigFile | undefined> {
  const json = await readJson(tree, path);
  return json === undefined ? undefined : { file: nameIn(tree, path), json };
}

/**
 * Checks that a file name that does not come from the user (but from an index or a hub) stays below its folder, on
 * Windows too: no parent folder, root or drive, and nothing that a terminal or file system would interpret.
 *
 * @throws CheckpointError naming the file and where the name comes from
 */
export function safePath(path: string, statedBy: string): string {
  if (!isSafePath(path))
    throw new CheckpointError(
      `${statedBy} names the file ${JSON.stringify(path)}, which is not a plain path below its folder. Do not use this checkpoint.`,
    );
  return path;
}

/** Whether a path is as {@link safePath} demands. */
export function isSafePath(path: string): boolean {
  const parts = path.split('/');
  return !parts.some((part) => part === '' || part === '.' || part === '..') && !/[:\\\u0000-\u001f\u007f]/.test(path);
}
