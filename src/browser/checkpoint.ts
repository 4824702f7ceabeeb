import { CheckpointError } from '../errors';
import type { Checkpoint } from '../weights/checkpoint';
import { type DiffusersOptions, openDiffusersLayout, PICKLE, WHY_NO_PICKLE } from '../weights/diffusersLayout';
import { type Lora, withLoras } from '../weights/lora';
import { SafetensorsFile } from '../weights/safetensors';
import { openSingleFile } from '../weights/singleFile';
import { bytesOf } from '../weights/source';
import { filesTree, handleTree, NOTHING_BESIDE } from './diskTree';
import { modelTree, type OnDownload } from './modelTree';

/** A model's manifest by its URL, a folder from disk, or a single `.safetensors` file. */
export type ModelPlace = string | URL | FileSystemDirectoryHandle | readonly File[] | File;

export interface OpenOptions extends DiffusersOptions {
  readonly onDownload?: OnDownload;
  /** The URL of CLIP's merges (weights/clip/merges.txt.gz of this package), for single files, which have none. */
  readonly clipMerges?: string;
  /** LoRAs to merge into the weights as they are loaded; all are added. */
  readonly loras?: readonly Lora<File>[];
}

/**
 * Opens a Stable Diffusion 1.x or 2.x checkpoint for reading; from a URL, only small files are downloaded so far.
 *
 * @param where a URL must be that of a manifest ({@link ModelManifest}); it is relative to the page or worker
 * @throws CheckpointError if there is none, if it is of another kind, or if a LoRA does not fit it
 */
export async function openCheckpoint(
  where: ModelPlace,
  { loras = [], ...options }: OpenOptions = {},
): Promise<Checkpoint> {
  const opened = loras.map(async ({ file, scale }) => ({
    file: await SafetensorsFile.open(bytesOf(file, file.name)),
    scale,
  }));
  return withLoras(await openPlain(where, options), await Promise.all(opened));
}

async function openPlain(
  where: ModelPlace,
  { onDownload, clipMerges, ...options }: Omit<OpenOptions, 'loras'>,
): Promise<Checkpoint> {
  if (typeof where === 'string' || where instanceof URL)
    return openDiffusersLayout(await modelTree(new URL(where, location.href).href, onDownload), options);
  if (where instanceof File) return openFile(where, clipMerges);
  if (!Array.isArray(where)) return openDiffusersLayout(handleTree(where as FileSystemDirectoryHandle), options);
  return openDiffusersLayout(filesTree(where as File[]), options);
}

async function openFile(file: File, clipMerges?: string): Promise<Checkpoint> {
  if (PICKLE.test(file.name)) throw new CheckpointError(`${file.name} is not read. ${WHY_NO_PICKLE}`);
  return openSingleFile(
    await SafetensorsFile.open(bytesOf(file, file.name)),
    NOTHING_BESIDE,
    clipMerges === undefined ? undefined : () => gunzipped(clipMerges),
  );
}

async function gunzipped(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok || !response.body)
    throw new CheckpointError(
      `CLIP's vocabulary cannot be downloaded from ${url}: the server answers ${response.status}.`,
    );
  return new Response(response.body.pipeThrough(new DecompressionStream('gzip'))).text();
}
