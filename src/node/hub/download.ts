import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unmade, unwritten } from '../fileErrors';
import { isThere } from './cache';
import { HubError } from './error';
import { ATTEMPTS, type RequestOptions } from './request';

/** A file on the hub, with the size and checksum that the hub states. */
export interface RemoteFile {
  /** The path in the repository. */
  readonly path: string;
  readonly url: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 of the content for large files (64 digits), or Git's SHA-1 of it (40 digits). */
  readonly checksum: string;
}

export interface DownloadOptions extends RequestOptions {
  readonly fetch: typeof fetch;
  /** The error for an unsuccessful response. */
  readonly refusal: (status: number) => HubError;
  /** Called after each piece with how many bytes of the file are downloaded. */
  readonly onBytes?: (loaded: number) => void;
}

/**
 * Downloads a file to `place`, where it appears when it is complete and its checksum is right. Until then it is
 * `<place>.incomplete`; an interrupted download resumes from there, now or in a later run.
 *
 * @throws HubError if the server sends a file other than stated, or keeps breaking off; Error if it cannot be written
 */
export async function download(file: RemoteFile, place: string, options: DownloadOptions): Promise<void> {
  await mkdir(dirname(place), { recursive: true }).catch(unmade(dirname(place)));
  const incomplete = `${place}.incomplete`;
  const resumed = await startWith(incomplete, file.size);
  if (resumed > 0 && (await fetchRest(file, incomplete, options)) === file.checksum) return settle(incomplete, place);
  // What an earlier run left was not the beginning of this file: start again from scratch.
  if (resumed > 0) await rm(incomplete, { force: true });
  const checksum = await fetchRest(file, incomplete, options);
  if (checksum === file.checksum) return settle(incomplete, place);
  await rm(incomplete, { force: true });
  throw new HubError(
    `${file.path} arrived with the checksum ${checksum}, and the hub states ${file.checksum}. It was discarded. Run it again; if the problem persists, the server or something on the way changes the file.`,
  );
}

/** Another process may have been faster; both have written the same bytes. */
async function settle(incomplete: string, place: string): Promise<void> {
  await rename(incomplete, place).catch(async (error: unknown) => {
    if (!(await isThere(place))) throw error;
  });
}

/** How much of the file an earlier run has left; a file that is too long is deleted. */
async function startWith(incomplete: string, size: number): Promise<number> {
  const { size: there } = await stat(incomplete).catch(() => ({ size: 0 }));
  if (there <= size) return there;
  await rm(incomplete, { force: true });
  return 0;
}

/** Fetches what is missing, resuming where a connection breaks off. @returns the checksum of the whole file */
async function fetchRest(file: RemoteFile, incomplete: string, options: DownloadOptions): Promise<string> {
  const handle = await open(incomplete, constants.O_RDWR | constants.O_CREAT).catch(unwritten(incomplete));
  try {
    const partial = await PartialFile.of(handle, file, incomplete);
    options.onBytes?.(partial.length);
    let [most, failures] = [partial.length, 0];
    while (partial.length < file.size) {
      await fetchPiece(file, partial, options);
      failures = partial.length > most ? 0 : failures + 1;
      most = Math.max(most, partial.length);
      if (failures === ATTEMPTS)
        throw new HubError(
          `The server sent only ${most} of the ${file.size} bytes of ${file.path}, in ${ATTEMPTS} attempts. They are kept: run it again to resume.`,
        );
      if (partial.length < file.size)
        await sleep((options.pause ?? 1000) * 2 ** failures, undefined, { signal: options.signal });
    }
    return partial.checksum();
  } finally {
    await handle.close();
  }
}

/** Makes one request from where the file ends; returns when it completes or breaks off. */
async function fetchPiece(file: RemoteFile, partial: PartialFile, options: DownloadOptions): Promise<void> {
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
  if (partial.length > 0) headers.Range = `bytes=${partial.length}-`;
  const response = await options.fetch(file.url, { headers });
  if (response.status === 416 || (response.status === 206 && !continues(response, partial.length, file.size))) {
    await response.body?.cancel();
    partial.restart();
    return;
  }
  if (!response.ok) throw options.refusal(response.status);
  if (response.status === 200 && partial.length > 0) partial.restart();
  try {
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
      await partial.append(bytes);
      options.onBytes?.(partial.length);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    // fetch throws a TypeError when a connection ends too early; anything else (a full disk, too many bytes) is not the
    // connection's fault.
    if ((error as Error).name !== 'TypeError') throw error;
  }
}

/** Whether a partial response is the part that was requested. */
function continues({ headers }: Response, from: number, size: number): boolean {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('Content-Range') ?? '') ?? [];
  return Number(start) === from && (total === '*' || Number(total) === size);
}

/** A file being written, and the checksum of what is written so far. */
class PartialFile {
  private constructor(
    private readonly handle: FileHandle,
    private readonly file: RemoteFile,
    private readonly place: string,
    private hash: Hash,
    public length: number,
  ) {}

  static async of(handle: FileHandle, file: RemoteFile, place: string): Promise<PartialFile> {
    const partial = new PartialFile(handle, file, place, startHash(file), 0);
    for await (const bytes of handle.createReadStream({ start: 0, autoClose: false })) {
      partial.hash.update(bytes as Buffer);
      partial.length += (bytes as Buffer).length;
    }
    return partial;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.length + bytes.length > this.file.size) {
      throw new HubError(
        `${this.file.path} should have ${this.file.size} bytes, but the server sends more. Run it again; if the problem persists, do not trust the server.`,
      );
    }
    for (let done = 0; done < bytes.length; ) {
      const written = this.handle.write(bytes, done, bytes.length - done, this.length + done);
      done += (await written.catch(unwritten(this.place))).bytesWritten;
    }
    this.hash.update(bytes);
    this.length += bytes.length;
  }

  /** Existing bytes are overwritten, not truncated, because another process may just have completed the same file. */
  restart(): void {
    this.hash = startHash(this.file);
    this.length = 0;
  }

  checksum(): string {
    return this.hash.digest('hex');
  }
}

/** Git's checksum of a file begins with its kind and size. */
function startHash({ checksum, size }: RemoteFile): Hash {
  return checksum.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}
