/**
 * What needs a browser: models by URL and from disk, and starting a backend. Load in a worker: on a page's own thread
 * it runs single-threaded and freezes the page.
 *
 * @module prompt-to-prompt-tfjs/browser
 */

import { StableDiffusionPipeline } from '../pipeline';
import { type BrowserBackend, chooseBackend } from './backend';
import { type ModelPlace, type OpenOptions, openCheckpoint } from './checkpoint';
import type { WasmOptions } from './wasm';

export type { BackendInfo } from '../backend/backendInfo';
export { BackendError } from '../backend/backendInfo';
export type { ModelManifest } from './manifest';
export { parseManifest } from './manifest';
export type { OnDownload } from './modelTree';
export type { WasmFile, WasmOptions, WasmPaths } from './wasm';
export type { BrowserBackend, ModelPlace, OpenOptions };
export { chooseBackend, openCheckpoint };

/** The options of loading a pipeline. */
export interface LoadPipelineOptions extends OpenOptions, WasmOptions {
  /** Default: `wasm`. */
  readonly backend?: BrowserBackend;
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
  where: ModelPlace,
  { backend = 'wasm', onProgress, ...options }: LoadPipelineOptions,
): Promise<StableDiffusionPipeline> {
  await chooseBackend(backend, options);
  return StableDiffusionPipeline.load(await openCheckpoint(where, options), { onProgress });
}
