import { CheckpointError } from '../errors';
import { type FileTree, namesIn } from '../weights/fileTree';
import type { ByteSource } from '../weights/source';
import { type CacheWriter, type FileCache, openFileCache } from './fileCache';
import { type ModelManifest, parseManifest } from './manifest';
import { request, requestJson } from './request';

type Entry = ModelManifest['files'][number];
/** Called with how many of the model's bytes are downloaded, and their total. */
export type OnDownload = (done: number, total: number) => void;

/**
 * A model served over HTTP, as listed in its manifest. A file is downloaded as a whole when it is first read, and kept
 * in the browser's storage if available; an interrupted download resumes if the server supports ranges.
 *
 * @throws CheckpointError if the manifest cannot be fetched or is not valid
 */
export async function modelTree(manifestUrl: string, onDownload?: OnDownload): Promise<FileTree> {
  const { name, files } = parseManifest(await requestJson(manifestUrl), manifestUrl);
  const cache = await openFileCache(manifestUrl);
  await cache?.keepOnly(new Set(files.map(({ sha256 }) => sha256)));

  const progress = new Map<string, number>();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const opened = new Map(
    files.map((entry) => [
      entry.path,
      new RemoteFile(new URL(entry.path, manifestUrl).href, entry, cache, (done) => {
        progress.set(entry.path, done);
        onDownload?.(
          [...progress.values()].reduce((sum, bytes) => sum + bytes, 0),
          total,
        );
      }),
    ]),
  );
  return {
    name,
    list: async (folder) =>
      namesIn(
        folder,
        files.map(({ path }) => path),
      ),
    open: async (path) => opened.get(path),
  };
}

class RemoteFile implements ByteSource {
  readonly size: number;
  private whole?: Promise<Blob>;

  constructor(
    readonly name: string,
    private readonly entry: Entry,
    private readonly cache: FileCache | undefined,
    private readonly onProgress: (done: number) => void,
  ) {
    this.size = entry.size;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    this.whole ??= this.get().catch((error: unknown) => {
      this.whole = undefined; // The next read tries again.
      throw error;
    });
    return new Uint8Array(await (await this.whole).slice(start, end).arrayBuffer());
  }

  private async get(): Promise<Blob> {
    const { sha256 } = this.entry;
    const found = await this.cache?.find(sha256, this.size);
    if (found) {
      this.onProgress(this.size);
      return found;
    }
    const writer = await this.cache?.write(sha256).catch(() => undefined);
    return (await (writer && this.download(writer))) ?? this.downloadToMemory();
  }

  /** @returns undefined if the storage is full */
  private async download(writer: CacheWriter): Promise<Blob | undefined> {
    try {
      if (writer.size > this.size) writer.truncate(0);
      let at = writer.size < this.size ? writer.size : 0;
      for await (const bytes of this.bytes(at, (start) => {
        at = start;
      })) {
        writer.write(bytes, at);
        at += bytes.length;
      }
    } catch (error) {
      if ((error as Error).name === 'QuotaExceededError') return undefined;
      throw error;
    } finally {
      writer.close();
    }
    const file = await this.cache!.find(this.entry.sha256, this.size);
    return file && this.checked(file);
  }

  private async downloadToMemory(): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const bytes of this.bytes(0)) parts.push(bytes);
    const file = await this.checked(new Blob(parts));
    await this.cache?.keep?.(this.entry.sha256, file);
    return file;
  }

  /** @throws CheckpointError if there are fewer or more bytes than the manifest says */
  private async *bytes(from: number, onStart?: (start: number) => void): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { start, stream } = await request(this.name, from, this.size);
    onStart?.(start);
    let done = start;
    const reader = stream.getReader();
    const next = () =>
      reader.read().catch((error: Error) => {
        throw new CheckpointError(
          `${this.name} broke off after ${done} of ${this.size} bytes: ${error.message}. Load it again.`,
        );
      });
    for (let part = await next(); !part.done; part = await next()) {
      yield part.value;
      this.onProgress((done += part.value.length));
    }
    if (done !== this.size)
      throw new CheckpointError(`${this.name} has ${done} bytes, but its manifest says ${this.size}. Load it again.`);
  }

  /**
   * @throws CheckpointError if the file's hash differs from the manifest's; not checked on pages that are not secure,
   *   or for files of more than 1 GiB
   */
  private async checked(file: Blob): Promise<Blob> {
    if (!globalThis.crypto?.subtle || file.size > 2 ** 30) return file;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (hex === this.entry.sha256) return file;
    await this.cache?.remove(this.entry.sha256);
    throw new CheckpointError(
      `${this.name} is not the file of its manifest: its SHA-256 is ${hex}. Load it again; if that does not help, the server's files do not belong together.`,
    );
  }
}
