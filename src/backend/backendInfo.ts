import * as tf from '@tensorflow/tfjs';
import type { BackendName } from './names';

/** The backend that was started. */
export interface BackendInfo {
  readonly name: BackendName;
  /** The versions of the packages that compute, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** The threads that one operation is spread over; 1 on a GPU. */
  readonly threads: number;
  /** The device that computes, if there is a choice: a graphics adapter's name. */
  readonly device?: string;
}

export interface BackendOptions {
  /**
   * Threads to spread an operation over. Default: all cores. Only `wasm`, which uses at most 8, and `node` take it, when
   * they first start; more than a backend computes on is a warning.
   */
  readonly threads?: number;
  /** Called with what is not as asked although the backend starts. Default: `console.warn`. */
  readonly warn?: (message: string) => void;
}

/** A backend is not available. The message says why, and how to get it. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

/** Makes a registered tfjs backend the current one. */
export async function activate(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new BackendError(`The backend ${backend} did not start.`);
}
