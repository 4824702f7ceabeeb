import * as tf from '@tensorflow/tfjs';
import {
  BackendWasm,
  getThreadsCount,
  setThreadsCount,
  setWasmPaths,
  version_wasm,
} from '@tensorflow/tfjs-backend-wasm';
import loader from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
// @ts-expect-error The package has no types for this file.
import { wasmWorkerContents } from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';
import { activate, type BackendInfo, type BackendOptions } from '../backend/backendInfo';
import { HELP, type HelperData, helpWith } from '../backend/wasmHelp';
import { prepareWasm } from '../backend/wasmKernels';
import { type Loader, MAX_WASM_THREADS, startThreadedModule } from '../backend/wasmThreads';

const THREADED = 'tfjs-backend-wasm-threaded-simd';

/**
 * Where the files of tfjs-backend-wasm's `wasm-out` are served: the folder's URL with a slash at its end, or a URL for
 * each file by name.
 */
export type WasmPaths = string | Readonly<Record<WasmFile, string>>;
export type WasmFile =
  | 'tfjs-backend-wasm.wasm'
  | 'tfjs-backend-wasm-simd.wasm'
  | `${typeof THREADED}.wasm`
  | `${typeof THREADED}.js`;

export interface WasmOptions extends BackendOptions {
  readonly wasmPaths: WasmPaths;
}

/**
 * Starts tfjs's wasm backend, on all cores if the page may share memory between threads. Once started, its threads stay
 * the same.
 */
export async function startWasm({ threads, warn = console.warn, wasmPaths }: WasmOptions): Promise<BackendInfo> {
  prepareWasm();
  setWasmPaths(typeof wasmPaths === 'string' ? wasmPaths : { ...wasmPaths });
  const wanted = Math.min(threads ?? navigator.hardwareConcurrency, MAX_WASM_THREADS);
  if (!('wasm' in tf.engine().registry)) {
    // Otherwise tfjs would start its own threads, which our kernels could not wait for.
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    const problem = wanted > 1 ? whyOneThread() : undefined;
    if (problem) warn(`wasm runs on one thread here: ${problem}`);
    else if (wanted > 1) await registerThreaded(wanted, wasmPaths, warn);
  }
  await activate('wasm');
  return { name: 'wasm', versions: { '@tensorflow/tfjs-backend-wasm': version_wasm }, threads: getThreadsCount() };
}

/** Why threads are not available here; undefined if they are. */
function whyOneThread(): string | undefined {
  if (!globalThis.crossOriginIsolated)
    return 'the page is not cross-origin isolated. Serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.';
  if (!('SharedArrayBuffer' in globalThis)) return 'this browser has no memory that threads could share.';
  if (typeof document !== 'undefined')
    return "a page's own thread may not wait for others. Load the pipeline in a worker.";
  return undefined;
}

async function registerThreaded(threads: number, paths: WasmPaths, warn: (message: string) => void): Promise<void> {
  try {
    const module = await startThreadedModule(
      withWorkers(threads - 1, loader as unknown as Loader),
      await WebAssembly.compileStreaming(fetch(urlOf(`${THREADED}.wasm`, paths))),
      threads,
      {
        // The file as published, because the bundled version does not work on its own.
        mainScriptUrlOrBlob: urlOf(`${THREADED}.js`, paths),
        locateFile: (file) => (file.endsWith('.worker.js') ? scriptUrl(workerScript()) : file),
      },
    );
    setThreadsCount(threads);
    const backend = new BackendWasm(module);
    helpWith(backend, threads - 1, startHelper);
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', () => backend);
  } catch (error) {
    warn(`wasm runs on one thread here: ${(error as Error).message}`);
  }
}

/**
 * The loader makes eight workers at once, before its first await; the surplus ones are not started. Firefox may hang
 * when starting so many.
 */
function withWorkers(count: number, load: Loader): Loader {
  return (options) => {
    const { Worker } = globalThis;
    let made = 0;
    const construct = (_: typeof Worker, [script]: [string]): object =>
      made++ < count ? new Worker(script) : { terminate: () => undefined };
    Object.assign(globalThis, { Worker: new Proxy(Worker, { construct }) });
    try {
      return load(options);
    } finally {
      Object.assign(globalThis, { Worker });
    }
  };
}

/** In tfjs's string, the backslashes of inner strings are lost. */
function workerScript(): string {
  return (wasmWorkerContents as string).replace(/\n/g, '\\n');
}

function startHelper(data: HelperData): () => void {
  const helper = new Worker(scriptUrl(`onmessage = ({ data }) => (${HELP})(data)`));
  helper.postMessage(data);
  return () => helper.terminate();
}

function scriptUrl(script: string): string {
  return URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
}

function urlOf(file: WasmFile, paths: WasmPaths): string {
  return new URL(typeof paths === 'string' ? paths + file : paths[file], location.href).href;
}
