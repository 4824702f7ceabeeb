import { dirname } from 'node:path';

/** Errors of the file system in words: what is wrong with a path, and what to do. */

/** Whether an error says that there is nothing at the path. */
export function isMissing({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Says why the file at the path cannot be read. */
export function unread(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new Error(whyUnread(path, error));
  };
}

/** Says why no file can be written to the path, keeping the error's code. */
export function unwritten(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw Object.assign(new Error(whyUnwritten(path, error)), { code: error.code });
  };
}

/** Says why there can be no folder at the path. */
export function unmade(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new Error(`The folder ${path} cannot be made: ${inWords(error)}`);
  };
}

/** Whether an error says that a disk, or what a user may take of it, is full. */
export function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What the system says about a path, as the end of a sentence. */
export function inWords(error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES' || error.code === 'EPERM') return 'its permissions do not allow it.';
  if (error.code === 'EEXIST' || error.code === 'ENOTDIR') return 'it is a file, or in one.';
  if (error.code === 'EROFS') return 'it is on a disk that can only be read.';
  if (isFull(error)) return 'its disk is full.';
  return error.message;
}

function whyUnread(path: string, error: NodeJS.ErrnoException): string {
  if (isMissing(error)) return `There is no file ${path}. Check its name and its folder.`;
  if (error.code === 'EISDIR') return `${path} is a folder, not a file.`;
  return `${path} cannot be read: ${inWords(error)}`;
}

function whyUnwritten(path: string, error: NodeJS.ErrnoException): string {
  if (isMissing(error)) return `${path} cannot be written: there is no folder ${dirname(path)}. Make it first.`;
  if (error.code === 'EISDIR') return `${path} is a folder: name a file.`;
  return `${path} cannot be written: ${inWords(error)}`;
}
