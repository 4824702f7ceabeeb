import { lstat, mkdir, readdir, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { inWords, isFull } from '../fileErrors';
import { clearAbandoned, temporaryBeside } from '../temporary';
import { UsageError } from './errors';
import { removeStaging, type Staging } from './staging';
import { tellPublishing, tellStaging } from './supervised';

export interface OutputOptions {
  /** The folder to write to. Default: a new `out/<command>-<number>`. */
  readonly out?: string;
  /** Files to write in addition to those in the folder. */
  readonly tensors?: string;
  readonly record?: string;
  readonly to?: string;
  /** Whether existing files may be replaced. */
  readonly force?: boolean;
}

/** The options that name a file. */
const FILE_OPTIONS = ['tensors', 'record', 'to'] as const;
type FileOption = (typeof FILE_OPTIONS)[number];

/** What commands write into their folder. */
const OWN_FILES = /\.(png|json)$/i;

/**
 * A command's output, written completely or not at all: files are collected in hidden folders beside their destinations
 * and moved there at the end. However the process ends before that, nothing half-written is left.
 */
export class Outputs {
  private constructor(
    private readonly command: string,
    private readonly options: OutputOptions,
    private readonly folder: Staging,
    private readonly files: ReadonlyMap<FileOption, Staging>,
  ) {
    process.once('exit', this.discard);
  }

  /** @throws UsageError if the destination already exists, unless `force` allows replacing it */
  static async open(command: string, options: OutputOptions): Promise<Outputs> {
    const { out, force } = options;
    checkPlaces(options);
    if (out !== undefined) await refuseLinkToNowhere('out', out);
    const there = out === undefined ? [] : await entries(out);
    if (!force && there.length > 0) {
      throw new UsageError(`--out ${out} is not empty: choose another folder, or replace what is in it with --force.`);
    }
    for (const [option, file] of filesOf(options)) {
      await refuseLinkToNowhere(option, file);
      if (await isFolder(file)) throw new UsageError(`--${option} ${file} is a folder: name a file.`);
      if ((await exists(file)) && !(await stat(file)).isFile())
        throw new UsageError(`--${option} ${file} is a device: name a file.`);
      if (!force && (await exists(file)))
        throw new UsageError(`--${option} ${file} exists: choose another name, or replace it with --force.`);
    }
    const place = out ?? join('out', command);
    // Inside a folder that already exists, because what is beside it may be on another disk.
    const folder = await stageBeside(out !== undefined && (await isFolder(out)) ? join(out, command) : place);
    const files = new Map<FileOption, Staging>();
    const outputs = new Outputs(command, options, folder, files);
    try {
      for (const [option, file] of filesOf(options)) files.set(option, await stageBeside(file));
      return outputs;
    } catch (error) {
      outputs.discard();
      throw error;
    }
  }

  /** Adds a file to the folder. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    await writeFile(join(this.folder.path, name), bytes);
  }

  /** The temporary path for a requested file outside the folder, which moves to its destination at the end. */
  pathOf(option: FileOption): string | undefined {
    const staging = this.files.get(option);
    return staging && join(staging.path, option);
  }

  /** Moves everything to its destination. @returns the absolute paths of all files, and of their folder */
  async publish(): Promise<{ folder: string; files: string[] }> {
    tellPublishing();
    const names = (await readdir(this.folder.path)).sort();
    const folder = await this.publishFolder(names);
    const files = names.map((name) => join(folder, name));
    for (const [option, file] of filesOf(this.options)) {
      await rename(this.pathOf(option)!, resolve(file));
      files.push(resolve(file));
    }
    this.discard();
    return { folder, files };
  }

  /** An error in words, if it is that a disk is full, which the system says without a place. */
  explain(error: unknown): unknown {
    if (!isFull(error as NodeJS.ErrnoException)) return error;
    const places = [this.options.out ?? 'out', ...filesOf(this.options).map(([, file]) => file)];
    return new Error(
      `A disk is full, so nothing was written to ${places.join(', ')}. Free some space, or name another place.`,
    );
  }

  /**
   * Discards all output; what was there before the run stays. Synchronous, because it also runs when the process exits.
   */
  readonly discard = (): void => {
    process.off('exit', this.discard);
    // The last one first, because it may be in a folder that an earlier one created.
    for (const staging of [this.folder, ...this.files.values()].reverse()) removeStaging(staging);
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
      if (!force && (await exists(join(folder, name))))
        throw new UsageError(
          `--out ${out} was filled by another program in the meantime: choose another folder, or replace what is in it with --force.`,
        );
    }
    for (const name of names) await rename(join(this.folder.path, name), join(folder, name));
    return folder;
  }

  /** Publishes under the first free number, even if two commands end at the same time. */
  private async publishNumbered(): Promise<string> {
    for (let number = 1; ; number++) {
      const folder = resolve('out', `${this.command}-${number}`);
      if (await exists(folder)) continue;
      try {
        await rename(this.folder.path, folder);
        return folder;
      } catch (error) {
        if (
          !['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '') ||
          !(await exists(folder))
        )
          throw error;
      }
    }
  }
}

/** The requested files, by option. */
function filesOf(options: OutputOptions): [FileOption, string][] {
  return FILE_OPTIONS.flatMap((option) => (options[option] === undefined ? [] : [[option, options[option]]]));
}

/**
 * Checks that no two of a command's outputs are in one another's place, where the last one moved would replace the
 * others.
 *
 * @throws UsageError naming the options
 */
function checkPlaces(options: OutputOptions): void {
  const { out } = options;
  const files = filesOf(options);
  const all: [string, string][] = [...(out === undefined ? [] : [['out', out] as [string, string]]), ...files];
  for (const [option, place] of all) if (place.trim() === '') throw new UsageError(`--${option}: Expected some text.`);
  for (const [option, file] of files) {
    for (const [other, place] of all) {
      if (other === option) continue;
      if (resolve(place) === resolve(file))
        throw new UsageError(`--${other} and --${option} are both ${file}: give each a place of its own.`);
      if (resolve(place).startsWith(resolve(file) + sep))
        throw new UsageError(`--${other} ${place} is inside --${option} ${file}, which is to be a file: move one.`);
    }
    if (out !== undefined && dirname(resolve(file)) === resolve(out) && OWN_FILES.test(file))
      throw new UsageError(
        `--${option} ${file} is among the pictures and settings of --out ${out}: give it another name.`,
      );
  }
}

/** Makes a hidden folder beside a destination, on the same disk. */
async function stageBeside(place: string): Promise<Staging> {
  const parent = dirname(resolve(place));
  try {
    const first = await mkdir(parent, { recursive: true });
    await clearAbandoned(parent);
    const staging = {
      path: temporaryBeside(resolve(place)),
      created: first === undefined ? [] : upTo(parent, first),
    };
    tellStaging(staging);
    await mkdir(staging.path);
    return staging;
  } catch (error) {
    const failure = error as NodeJS.ErrnoException;
    const Kind = isFull(failure) ? Error : UsageError;
    throw new Kind(`Nothing can be written to ${parent}: ${inWords(failure)}`);
  }
}

/** The folder and its parents, up to and including `last`. */
function upTo(folder: string, last: string): string[] {
  return folder === last || folder === dirname(folder) ? [folder] : [folder, ...upTo(dirname(folder), last)];
}

/** Removes the numbered pictures of an earlier run; this one may have fewer. */
async function removeNumbered(folder: string): Promise<void> {
  const numbered = (await readdir(folder)).filter((name) => /^(edit|no-injection|blend|word)-\d+.*\.png$/.test(name));
  for (const name of numbered) await rm(join(folder, name), { force: true });
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const failure = error as NodeJS.ErrnoException;
    if (failure.code === 'ENOENT') return [];
    throw new UsageError(
      failure.code === 'ENOTDIR'
        ? `--out ${folder} is a file: choose a folder.`
        : `--out ${folder} cannot be read: ${inWords(failure)}`,
    );
  }
}

/** Refuses a dangling link: renaming would replace the link with the file, and fail for a folder. */
async function refuseLinkToNowhere(option: string, path: string): Promise<void> {
  const isLink = await lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  if (isLink && !(await exists(path)))
    throw new UsageError(
      `--${option} ${path} is a link to ${await readlink(path)}, which is not there: make that first, or name another place.`,
    );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
