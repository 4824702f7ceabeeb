import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Checkpoint } from '../weights/checkpoint';
import { type DiffusersOptions, WHY_NO_PICKLE, openDiffusersLayout } from '../weights/diffusersLayout';
import { CheckpointError } from '../weights/error';
import { SafetensorsFile } from '../weights/safetensors';
import { openSingleFile } from '../weights/singleFile';
import { fileBytes, folderTree } from './fileSource';

/**
 * Opens a Stable Diffusion 1.x or 2.x checkpoint for reading; nothing is loaded yet.
 *
 * @param where a folder in the layout of diffusers, or a `.safetensors` file in the original layout
 * @throws CheckpointError if there is none, or one of another kind
 */
export async function openCheckpoint(where: string, options: DiffusersOptions = {}): Promise<Checkpoint> {
  const found = await stat(where).catch(() => undefined);
  if (!found) throw new CheckpointError(`${where} is neither a folder nor a file.`);
  if (found.isDirectory()) return openDiffusersLayout(folderTree(where), options);
  if (/\.(?:ckpt|bin|pt|pth|pkl)$/i.test(where)) throw new CheckpointError(`${where} is not read. ${WHY_NO_PICKLE}`);
  return openSingleFile(await SafetensorsFile.open(await fileBytes(where)), folderTree(dirname(where)));
}
