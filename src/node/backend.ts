import * as tf from '@tensorflow/tfjs';
import { activate, BackendError, type BackendInfo, type BackendOptions } from '../backend/backendInfo';
import { BACKEND_CHOICES, type BackendName, backendNamed } from '../backend/names';
import { MAX_WASM_THREADS } from '../backend/wasmThreads';
import { startNative } from './native/load';
import { locateNative } from './native/locate';
import { MAX_THREADS } from './threads';
import { startWasm } from './wasm';
import { startWebgpu } from './webgpu';

/** The backends tried when none is named. */
const DEFAULTS: readonly BackendName[] = ['node-gpu', 'node', 'wasm'];

/** The most threads that a backend computes on, if that is less than the machine has. */
const MOST_THREADS: Partial<Record<BackendName, number>> = { wasm: MAX_WASM_THREADS, webgpu: 1, cpu: 1 };

/**
 * Starts the named backend, or the best available of `node-gpu`, `node` and `wasm`, and makes it tfjs's current one.
 *
 * @param name one of BACKEND_CHOICES; `tensorflow` means `node`
 * @throws BackendError if it is not available; RangeError for an invalid number of threads
 */
export async function chooseBackend(name?: string, options: BackendOptions = {}): Promise<BackendInfo> {
  const { threads, warn = console.warn } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS))
    throw new RangeError(`threads is ${threads}: it must be a whole number from 1 to ${MAX_THREADS}.`);
  const started = name === undefined ? await startBest(options) : await start(backendName(name), options);
  const most = MOST_THREADS[started.name];
  if (threads !== undefined && most !== undefined && threads > most)
    warn(`${started.name} computes on at most ${most} thread${most === 1 ? '' : 's'}, not on ${threads}.`);
  return started;
}

async function startBest(options: BackendOptions): Promise<BackendInfo> {
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
  const known = backendNamed(name);
  if (!known) throw new BackendError(`There is no backend ${name}. Choose from ${BACKEND_CHOICES.join(', ')}.`);
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
