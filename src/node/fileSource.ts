import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../weights/error';
import type { FileTree } from '../weights/fileTree';
import type { ByteSource } from '../weights/source';

/** One read of a file may ask for at most 2 GiB - 1; a round number below it. */
const MAX_READ = 1 << 30;

/**
 * A file's bytes, read where they are asked for. Each reading opens the file and closes it again, so that nothing is left to close;
 * a file that was changed in between is an error, not a mixture.
 */
export async function fileBytes(path: string): Promise<ByteSource> {
  const { size, mtimeMs } = await stat(path);
  return {
    name: path,
    size,
    async read(start, end) {
      const file = await open(path);
      try {
        const now = await file.stat();
        if (now.size !== size || now.mtimeMs !== mtimeMs) throw new CheckpointError(`${path} was changed while it was being read. Load it again.`);
        return await readRange(file, start, end);
      } finally {
        await file.close();
      }
    },
  };
}

async function readRange(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(MAX_READ, bytes.length - done), start + done);
    if (bytesRead === 0) throw new CheckpointError('The file ended while it was being read. Load it again.');
    done += bytesRead;
  }
  return bytes;
}

/** A folder on disk. */
export function folderTree(folder: string): FileTree {
  return {
    name: folder,
    list: (path) => orIfMissing(readdir(join(folder, path)), []),
    open: (path) => orIfMissing(fileBytes(join(folder, path)), undefined),
  };
}

async function orIfMissing<T>(result: Promise<T>, instead: T): Promise<T> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return instead;
    throw error;
  }
}
