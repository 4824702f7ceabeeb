import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { BackendWasm, getThreadsCount, setThreadsCount, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { activate, type BackendInfo, type BackendOptions } from '../backend/backendInfo';
import { helpWith } from '../backend/wasmHelp';
import { prepareWasm } from '../backend/wasmKernels';
import { MAX_WASM_THREADS } from '../backend/wasmThreads';
import { startHelper } from './wasmHelpers';
import { detachWorkers, loadThreadedWasm } from './wasmThreads';

/** Starts tfjs's wasm backend, on all cores if possible. Once started, its threads stay the same. */
export async function startWasm({ threads, warn = console.warn }: BackendOptions = {}): Promise<BackendInfo> {
  prepareWasm();
  const wanted = Math.min(threads ?? availableParallelism(), MAX_WASM_THREADS);
  if (wanted > 1 && !('wasm' in tf.engine().registry)) {
    try {
      await registerThreaded(wanted);
    } catch (error) {
      warn(`wasm runs on one thread here: ${(error as Error).message}`);
    }
  }
  await activate('wasm');
  return { name: 'wasm', versions: { '@tensorflow/tfjs-backend-wasm': version_wasm }, threads: getThreadsCount() };
}

async function registerThreaded(threads: number): Promise<void> {
  const module = await loadThreadedWasm(threads);
  setThreadsCount(threads);
  const backend = new BackendWasm(module);
  detachWorkers(module);
  helpWith(backend, threads - 1, startHelper);
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', () => backend);
}
