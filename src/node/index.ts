/**
 * What needs Node: checkpoints on disk, PNG files, choosing a backend.
 *
 * @module prompt-to-prompt-tfjs/node
 */

import { StableDiffusionPipeline } from '../pipeline';
import { chooseBackend } from './backend';
import { type OpenOptions, openCheckpoint } from './checkpoint';

export { chooseBackend, openCheckpoint };
export { EMBEDDED } from './embedded';
export type { OpenOptions } from './checkpoint';
export { fileBytes, folderTree } from './fileSource';
export type { FileBytes } from './fileSource';
export { fileSink } from './fileSink';
export { HubError } from './hub/error';
export { pull } from './hub/pull';
export type { PullOptions, PullProgress } from './hub/pull';
export { saveSafetensors } from './saveSafetensors';
export { encodePng, readPng, savePngs, toPngs } from './png';
export { readPicture } from './readPicture';
export type { PictureFile } from './readPicture';
export { editFigure } from './editFigure';
export type { EditFigureOptions } from './editFigure';
export { wordFigure } from './wordFigure';
export type { WordFigureOptions } from './wordFigure';
export { BackendError } from '../backend/backendInfo';
export type { BackendInfo, BackendOptions } from '../backend/backendInfo';
export type { BackendName } from '../backend/names';

/** The options of loading a pipeline. */
export interface LoadPipelineOptions {
  /** `node-gpu`, `node`, `wasm`, `webgpu` or `cpu`. Default: the best available. */
  readonly backend?: string;
  /** As for {@link openCheckpoint}. */
  readonly loras?: OpenOptions['loras'];
  /** Called with how many of the networks' numbers are loaded, and their total. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/**
 * Starts a backend and loads a checkpoint onto it.
 *
 * @param where as for {@link openCheckpoint}
 * @throws BackendError if the backend is not available; CheckpointError if the checkpoint cannot be loaded
 */
export async function loadPipeline(
  where: string,
  { backend, loras, onProgress }: LoadPipelineOptions = {},
): Promise<StableDiffusionPipeline> {
  await chooseBackend(backend);
  return StableDiffusionPipeline.load(await openCheckpoint(where, { loras }), { onProgress });
}
