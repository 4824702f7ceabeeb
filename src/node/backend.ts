import * as tf from '@tensorflow/tfjs';
import { version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { replaceWasmMatMul } from '../backend/wasmMatMul';

/** What tensors are computed with; `node-gpu` and `node` are TensorFlow's own kernels. Best first. */
export const BACKEND_NAMES = ['node-gpu', 'node', 'wasm', 'webgpu', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

export interface BackendInfo {
  readonly name: BackendName;
  /** Of what computes, by package name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Threads that one operation is spread over. */
  readonly threads: number;
}

/** A backend that cannot be had: the message says why, and how to get it. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

const ALIASES: Readonly<Record<string, BackendName>> = { tensorflow: 'node' };

/** Those that are chosen without being asked for. */
const DEFAULTS: readonly BackendName[] = ['node-gpu', 'node', 'wasm'];

/**
 * Starts the best backend there is of `node-gpu`, `node` and `wasm`, or the one named, and makes it tfjs's current one.
 *
 * @throws BackendError if the one named cannot be had.
 */
export async function chooseBackend(name?: string): Promise<BackendInfo> {
  if (name !== undefined) return start(backendName(name));
  for (const candidate of DEFAULTS) {
    try {
      return await start(candidate);
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
    }
  }
  throw new BackendError('No backend starts here; ask for one by name (--backend wasm) to see why.');
}

function backendName(name: string): BackendName {
  const known = ALIASES[name] ?? BACKEND_NAMES.find((backend) => backend === name);
  if (!known) throw new BackendError(`There is no backend ${name}. Choose from ${[...BACKEND_NAMES, ...Object.keys(ALIASES)].join(', ')}.`);
  return known;
}

async function start(name: BackendName): Promise<BackendInfo> {
  if (name === 'wasm') return startWasm();
  if (name === 'cpu') return startCpu();
  throw new BackendError(`The backend ${name} is not installed.`);
}

async function startWasm(): Promise<BackendInfo> {
  replaceWasmMatMul();
  await activate('wasm');
  return { name: 'wasm', versions: { '@tensorflow/tfjs-backend-wasm': version_wasm }, threads: 1 };
}

async function startCpu(): Promise<BackendInfo> {
  await activate('cpu');
  return { name: 'cpu', versions: { '@tensorflow/tfjs': tf.version['tfjs'] }, threads: 1 };
}

async function activate(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new BackendError(`The backend ${backend} did not start.`);
}
