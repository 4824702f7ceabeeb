import * as tf from '@tensorflow/tfjs';

/** What tensors are computed with; `node-gpu` and `node` are TensorFlow's own kernels. Best first. */
export const BACKEND_NAMES = ['node-gpu', 'node', 'wasm', 'webgpu', 'cpu'] as const;
/** The backends there can be: see docs/cli.md. */
export type BackendName = (typeof BACKEND_NAMES)[number];

/** The backend that was started. */
export interface BackendInfo {
  readonly name: BackendName;
  /** Of what computes, by package name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Threads that one operation is spread over; 1 where a GPU computes. */
  readonly threads: number;
  /** What computes, where there is a choice: a graphics adapter's name. */
  readonly device?: string;
}

export interface BackendOptions {
  /** Threads to spread an operation over; all cores by default. Taken by `wasm` and `node`, before they first start. */
  readonly threads?: number;
  /** Told what could not be had although all goes on; `console.warn` by default. */
  readonly warn?: (message: string) => void;
}

/** A backend that cannot be had: the message says why, and how to get it. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

/** Makes a registered tfjs backend the current one. */
export async function activate(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new BackendError(`The backend ${backend} did not start.`);
}
