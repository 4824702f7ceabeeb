/** Downloaded files, in the browser's storage for this site. */
export interface FileCache {
  /** @returns the file, if it is complete */
  find(key: string, size: number): Promise<Blob | undefined>;
  /** Opens a new or partly written file for writing; undefined if another page is writing it, or only whole files fit. */
  write(key: string): Promise<CacheWriter | undefined>;
  /** Keeps a whole file if there is room. Missing where files are written part by part. */
  keep?(key: string, file: Blob): Promise<void>;
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
 * Opens a model's cache in the origin private file system, which needs a worker; where there is none, as in WebKitGTK
 * and private windows, in the cache storage, which can only take whole files.
 *
 * @param name the model's
 * @returns undefined if the page has neither, as when it is not secure
 */
export async function openFileCache(name: string): Promise<FileCache | undefined> {
  try {
    const folder = hasSyncAccess() ? await folderOf(name).catch(() => undefined) : undefined;
    return folder ? inFolder(folder) : inCacheStorage(await caches.open(`model ${name}`));
  } catch {
    return undefined;
  }
}

function hasSyncAccess(): boolean {
  return 'FileSystemFileHandle' in globalThis && 'createSyncAccessHandle' in FileSystemFileHandle.prototype;
}

async function folderOf(name: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const models = await root.getDirectoryHandle('models', { create: true });
  return models.getDirectoryHandle(encodeURIComponent(name), { create: true });
}

function inFolder(folder: FileSystemDirectoryHandle): FileCache {
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

function inCacheStorage(cache: Cache): FileCache {
  return {
    async find(key, size) {
      const file = await (await cache.match(key))?.blob();
      return file?.size === size ? file : undefined;
    },
    write: async () => undefined,
    keep: (key, file) => cache.put(key, new Response(file)).catch(() => undefined), // The storage is full.
    async remove(key) {
      await cache.delete(key);
    },
    async keepOnly(keys) {
      for (const { url } of await cache.keys()) {
        if (!keys.has(url.slice(url.lastIndexOf('/') + 1))) await cache.delete(url);
      }
    },
  };
}
