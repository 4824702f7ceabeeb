import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../weights/checkpoint';
import { openFolder } from './folder';

/**
 * Opens a Stable Diffusion checkpoint for reading; nothing is loaded yet.
 *
 * @param where a folder in the diffusers layout
 * @throws CheckpointError if there is no checkpoint
 */
export async function openCheckpoint(where: string): Promise<Checkpoint> {
  await stat(where);
  return openFolder(where);
}
