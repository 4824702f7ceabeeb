/** Files that were downloaded before, in the browser's own storage for this site (the origin's private file system). */
export interface FileCache {
  /** @returns the file, if it is whole */
  find(key: string, size: number): Promise<Blob | undefined>;
  /** Opens a file, new or half written, to write on; nothing if another page is writing it. */
  write(key: string): Promise<CacheWriter | undefined>;
  /** Removes all files but these. */
  keepOnly(keys: ReadonlySet<string>): Promise<void>;
}

export interface CacheWriter {
  /** How many bytes there are. */
  readonly size: number;
  write(bytes: Uint8Array, at: number): void;
  close(): void;
}

/** Of workers alone, and so not among the types of the DOM. */
interface SyncAccessHandle {
  getSize(): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}
type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccessHandle> };

/** @param name of the folder for one model @returns nothing where the browser offers no such storage, or not here: it does in workers of secure pages */
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
          close() {
            access.flush();
            access.close();
          },
        }
      );
    },
    async keepOnly(keys) {
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
        if (!keys.has(name)) await folder.removeEntry(name).catch(() => undefined); // One that another page is reading goes next time.
      }
    },
  };
}
