import { closeSync, fstatSync, openSync, type Stats } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors';
import type { FileTree } from '../weights/fileTree';
import type { ByteSource } from '../weights/source';
import { isMissing, unread } from './fileErrors';

/** A read of a file is limited to 2 GiB - 1; this is a round number below that. */
const MAX_READ = 1 << 30;

/**
 * A file's bytes, read on request. Each read opens and closes the file, so that nothing needs closing later; a file
 * that has changed in between is an error.
 */
export class FileBytes implements ByteSource {
  private constructor(
    readonly name: string,
    readonly size: number,
    private readonly changed: number,
  ) {}

  /** @throws Error that says why it cannot be read, naming the path */
  static async of(path: string): Promise<FileBytes> {
    const found = await stat(path).catch(unread(path));
    if (!found.isFile()) throw new Error(`${path} is ${found.isDirectory() ? 'a folder' : 'a device'}, not a file.`);
    const { size, mtimeMs } = found;
    return new FileBytes(path, size, mtimeMs);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const file = await open(this.name).catch(unread(this.name));
    try {
      this.check(await file.stat());
      return await readRange(file, this.name, start, end);
    } finally {
      await file.close();
    }
  }

  /** Opens the file, for a reader that reads it itself. @returns the file descriptor, which the caller closes */
  open(): number {
    const descriptor = openSync(this.name, 'r');
    try {
      this.check(fstatSync(descriptor));
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return descriptor;
  }

  private check({ size, mtimeMs }: Stats): void {
    if (size !== this.size || mtimeMs !== this.changed)
      throw new CheckpointError(`${this.name} changed while it was being read. Load it again.`);
  }
}

/** See {@link FileBytes}. */
export function fileBytes(path: string): Promise<FileBytes> {
  return FileBytes.of(path);
}

async function readRange(file: FileHandle, path: string, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(MAX_READ, bytes.length - done), start + done);
    if (bytesRead === 0) throw new CheckpointError(`${path} ended while it was being read. Load it again.`);
    done += bytesRead;
  }
  return bytes;
}

/** A folder on disk. */
export function folderTree(folder: string): FileTree {
  return {
    name: folder,
    list: (path) => orIfMissing(readdir(join(folder, path)), []).catch(unread(join(folder, path))),
    open: async (path) => {
      const file = join(folder, path);
      return (await orIfMissing(stat(file), undefined)) && fileBytes(file);
    },
  };
}

async function orIfMissing<T>(result: Promise<T>, instead: T): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (isMissing(error as NodeJS.ErrnoException)) return instead;
    throw error;
  }
}
