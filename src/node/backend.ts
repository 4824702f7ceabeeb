import * as tf from '@tensorflow/tfjs';
import {
  activate,
  BACKEND_NAMES,
  BackendError,
  type BackendInfo,
  type BackendName,
  type BackendOptions,
} from '../backend/backendInfo';
import { startNative } from './native/load';
import { locateNative } from './native/locate';
import { MAX_THREADS } from './threads';
import { startWasm } from './wasm';
import { startWebgpu } from './webgpu';

const ALIASES: Readonly<Record<string, BackendName>> = { tensorflow: 'node' };

/** The backends tried when none is named. */
const DEFAULTS: readonly BackendName[] = ['node-gpu', 'node', 'wasm'];

/**
 * Starts the named backend, or the best available of `node-gpu`, `node` and `wasm`, and makes it tfjs's current one.
 *
 * @param name one of BACKEND_NAMES, or `tensorflow` for `node`
 * @throws BackendError if it is not available; RangeError for an invalid number of threads
 */
export async function chooseBackend(name?: string, options: BackendOptions = {}): Promise<BackendInfo> {
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS))
    throw new RangeError(`threads is ${threads}: it must be a whole number from 1 to ${MAX_THREADS}.`);
  if (name !== undefined) return start(backendName(name), options);
  for (const candidate of DEFAULTS) {
    try {
      return await start(candidate, options);
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
    }
  }
  throw new BackendError('No backend starts on this machine; choose one by name (--backend wasm) to see why.');
}

function backendName(name: string): BackendName {
  const known = ALIASES[name] ?? BACKEND_NAMES.find((backend) => backend === name);
  if (!known)
    throw new BackendError(
      `There is no backend ${name}. Choose from ${[...BACKEND_NAMES, ...Object.keys(ALIASES)].join(', ')}.`,
    );
  return known;
}

async function start(name: BackendName, options: BackendOptions): Promise<BackendInfo> {
  switch (name) {
    case 'node':
    case 'node-gpu':
      return startNative(name, await locateNative(name), options);
    case 'wasm':
      return startWasm(options);
    case 'webgpu':
      return startWebgpu();
    case 'cpu':
      return startCpu();
  }
}

async function startCpu(): Promise<BackendInfo> {
  await activate('cpu');
  Object.assign(tf.backend(), { firstUse: false }); // Otherwise it prints a long note that tfjs-node is faster.
  return { name: 'cpu', versions: { '@tensorflow/tfjs': tf.version.tfjs }, threads: 1 };
}
