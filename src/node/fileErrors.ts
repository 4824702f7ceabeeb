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

/** Says why no file can be written to the path. */
export function unwritten(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new Error(whyUnwritten(path, error));
  };
}

/** Says why there can be no folder at the path. */
export function unmade(path: string): (error: NodeJS.ErrnoException) => never {
  return ({ code, message }) => {
    const isFile = code === 'EEXIST' || code === 'ENOTDIR';
    throw new Error(isFile ? `${path} is a file, or in one: name a folder.` : `${path} cannot be made: ${message}`);
  };
}

function whyUnread(path: string, error: NodeJS.ErrnoException): string {
  if (isMissing(error)) return `There is no file ${path}. Check its name and its folder.`;
  if (error.code === 'EISDIR') return `${path} is a folder, not a file.`;
  if (error.code === 'EACCES') return `${path} cannot be read: its permissions do not allow it.`;
  return `${path} cannot be read: ${error.message}`;
}

function whyUnwritten(path: string, error: NodeJS.ErrnoException): string {
  if (isMissing(error)) return `${path} cannot be written: there is no folder ${dirname(path)}. Make it first.`;
  if (error.code === 'EISDIR') return `${path} is a folder: name a file.`;
  return `${path} cannot be written: ${error.message}`;
}
