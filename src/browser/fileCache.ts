/** Downloaded files, in the browser's storage for this site (the origin private file system). */
export interface FileCache {
  /** @returns the file, if it is complete */
  find(key: string, size: number): Promise<Blob | undefined>;
  /** Opens a new or partly written file for writing; undefined if another page is writing it. */
  write(key: string): Promise<CacheWriter | undefined>;
  remove(key: string): Promise<void>;
  /** Removes all files but these. */
  keepOnly(keys: ReadonlySet<string>): Promise<void>;
}

export interface CacheWriter {
  /** The number of bytes written so far. */
  readonly size: number;
  write(bytes: Uint8Array, at: number): void;
  /** Cuts off what lies after so many bytes. */
  truncate(size: number): void;
  close(): void;
}

/** Available only in workers, and so missing from the DOM's types. */
interface SyncAccessHandle {
  getSize(): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccessHandle> };

/**
 * @param name names the folder for one model
 * @returns undefined if the storage is not available: it needs a worker of a secure page
 */
export async function openFileCache(name: string): Promise<FileCache | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle('models', { create: true });
    const folder = await models.getDirectoryHandle(encodeURIComponent(name), { create: true });
    return hasSyncAccess() ? cacheIn(folder) : undefined;
  } catch {
    return undefined;
  }
}

function hasSyncAccess(): boolean {
  return 'FileSystemFileHandle' in globalThis && 'createSyncAccessHandle' in FileSystemFileHandle.prototype;
}

function cacheIn(folder: FileSystemDirectoryHandle): FileCache {
  return {
    async find(key, size) {
      const handle = await folder.getFileHandle(key).catch(() => undefined);
      const file = await handle?.getFile();
      return file?.size === size ? file : undefined;
    },
    async write(key) {
      const handle: FileHandle = await folder.getFileHandle(key, { create: true });
      const access = await handle.createSyncAccessHandle!().catch(() => undefined);
      return (
        access && {
          size: access.getSize(),
          write: (bytes, at) => void access.write(bytes, { at }),
          truncate: (size) => access.truncate(size),
          close() {
            access.flush();
            access.close();
          },
        }
      );
    },
    // A file that another page is reading stays, and is removed next time.
    remove: (key) => folder.removeEntry(key).catch(() => undefined),
    async keepOnly(keys) {
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
        if (!keys.has(name)) await this.remove(name);
      }
    },
  };
}
