import { randomUUID } from 'node:crypto';
import { rmSync, rmdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from './errors';

export interface OutputOptions {
  /** The folder to write to; by default a fresh `out/<command>-<number>`. */
  readonly out?: string;
  /** A file to write beside the folder's. */
  readonly tensors?: string;
  /** Existing files may be replaced. */
  readonly force?: boolean;
}

/**
 * What a command writes, all of it or none: files gather in hidden folders beside their places and move there at the end.
 * Whatever ends the process before that, nothing half-written is left.
 */
export class Outputs {
  private constructor(private readonly command: string, private readonly options: OutputOptions, private readonly folder: Staging, private readonly tensors?: Staging) {
    process.once('exit', this.discard);
  }

  /**
   * @throws UsageError if there is something at the place already, unless `force` allows to replace it.
   */
  static async open(command: string, options: OutputOptions): Promise<Outputs> {
    const { out, tensors, force } = options;
    if (out !== undefined && !force && (await entries(out)).length > 0) {
      throw new UsageError(`--out ${out} is not empty: choose another folder, or replace what is in it with --force.`);
    }
    if (tensors !== undefined && (await isFolder(tensors))) throw new UsageError(`--tensors ${tensors} is a folder: name a file.`);
    if (tensors !== undefined && !force && (await exists(tensors))) {
      throw new UsageError(`--tensors ${tensors} exists: choose another name, or replace it with --force.`);
    }
    const place = out ?? join('out', command);
    // Inside a folder that is there already: what is beside it may be another disk.
    const folder = await Staging.beside(out !== undefined && (await isFolder(out)) ? join(out, command) : place);
    try {
      return new Outputs(command, options, folder, tensors === undefined ? undefined : await Staging.beside(tensors));
    } catch (error) {
      folder.remove();
      throw error;
    }
  }

  /** Adds a file to the folder. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    await writeFile(join(this.folder.path, name), bytes);
  }

  /** Adds the file of tensors, if it was asked for. */
  async writeTensors(bytes: () => Promise<Uint8Array> | Uint8Array): Promise<void> {
    if (this.tensors) await writeFile(join(this.tensors.path, 'tensors'), await bytes());
  }

  /** Moves everything to its place. @returns the absolute paths of all files, and of their folder */
  async publish(): Promise<{ folder: string; files: string[] }> {
    const names = (await readdir(this.folder.path)).sort();
    const folder = await this.publishFolder(names);
    const files = names.map((name) => join(folder, name));
    if (this.tensors && this.options.tensors !== undefined) {
      const file = resolve(this.options.tensors);
      await rename(join(this.tensors.path, 'tensors'), file);
      files.push(file);
    }
    this.discard();
    return { folder, files };
  }

  /** Forgets everything; what was there before the run stays as it was. Not async: the end of the process calls it too. */
  readonly discard = (): void => {
    process.off('exit', this.discard);
    // The last one first: it may lie in a folder that the other made.
    this.tensors?.remove();
    this.folder.remove();
  };

  private async publishFolder(names: readonly string[]): Promise<string> {
    const { out, force } = this.options;
    if (out === undefined) return this.publishNumbered();
    const folder = resolve(out);
    if (!(await exists(folder))) {
      await rename(this.folder.path, folder);
      return folder;
    }
    if (force) await removeNumbered(folder);
    for (const name of names) {
      if (!force && (await exists(join(folder, name)))) throw new UsageError(`--out ${out} was filled by another program in the meantime: choose another folder, or replace what is in it with --force.`);
    }
    for (const name of names) await rename(join(this.folder.path, name), join(folder, name));
    return folder;
  }

  /** To the first number that is free, even where two commands end at once. */
  private async publishNumbered(): Promise<string> {
    for (let number = 1; ; number++) {
      const folder = resolve('out', `${this.command}-${number}`);
      if (await exists(folder)) continue;
      try {
        await rename(this.folder.path, folder);
        return folder;
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '') || !(await exists(folder))) throw error;
      }
    }
  }
}

/** A hidden folder beside a place that is to be filled, on the same disk. */
class Staging {
  private constructor(readonly path: string, private readonly created: readonly string[]) {}

  static async beside(place: string): Promise<Staging> {
    const parent = dirname(resolve(place));
    try {
      const first = await mkdir(parent, { recursive: true });
      const path = join(parent, `.${basename(place)}-${randomUUID().slice(0, 8)}`);
      await mkdir(path);
      return new Staging(path, first === undefined ? [] : upTo(parent, first));
    } catch (error) {
      throw new UsageError(`Nothing can be written to ${parent}: ${(error as Error).message}`);
    }
  }

  /** Also removes the folders that were made for it, where they are empty. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    for (const folder of this.created) {
      try {
        rmdirSync(folder);
      } catch {
        return; // It has come to hold something.
      }
    }
  }
}

/** The folder and those above it, up to and with the last. */
function upTo(folder: string, last: string): string[] {
  return folder === last || folder === dirname(folder) ? [folder] : [folder, ...upTo(dirname(folder), last)];
}

/** Pictures that an earlier run numbered; this one may have fewer. */
async function removeNumbered(folder: string): Promise<void> {
  const numbered = (await readdir(folder)).filter((name) => /^(edit|no-injection|word)-\d+.*\.png$/.test(name));
  for (const name of numbered) await rm(join(folder, name), { force: true });
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new UsageError(code === 'ENOTDIR' ? `--out ${folder} is a file: choose a folder.` : `--out ${folder}: ${(error as Error).message}`);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}
