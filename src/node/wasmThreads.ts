import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { type Loader, startThreadedModule, type ThreadedModule } from '../backend/wasmThreads';

/**
 * Starts tfjs's threaded wasm module in Node.
 *
 * tfjs 4.22 includes a threaded build of its wasm module but never starts it in Node. Its emscripten loader does run
 * there; this file calls the loader as tfjs would, and adds what Node needs:
 * - A script for the workers. The package has it as a string; Node's `Worker` takes it as a `data:` URL, which Node
 *   treats as an ES module, so a `require` is created for it.
 * - The loader's own path, because every worker runs the loader again.
 * - Workers that do not keep the process alive.
 */

const PACKAGE = '@tensorflow/tfjs-backend-wasm';
const MODULE = 'tfjs-backend-wasm-threaded-simd';

/**
 * @param threads 2 .. MAX_WASM_THREADS
 * @returns the module that tfjs-backend-wasm's `BackendWasm` takes; call `detachWorkers` on it after creating the
 *   backend
 * @throws if the runtime lacks threads or SIMD for WebAssembly
 */
export async function loadThreadedWasm(threads: number): Promise<BackendWasm['wasm']> {
  const folder = join(dirname(require.resolve(`${PACKAGE}/package.json`)), 'wasm-out');
  const loader = join(folder, `${MODULE}.js`);
  const binary = await WebAssembly.compile(await readFile(join(folder, `${MODULE}.wasm`)));
  const script = workerScript(loader, join(folder, `${MODULE}.worker.js`));

  return withoutTraces(() =>
    startThreadedModule(require(loader) as Loader, binary, threads, {
      mainScriptUrlOrBlob: loader,
      locateFile: (file) => (file.endsWith('.worker.js') ? script : join(folder, file)),
    }),
  );
}

/** Lets the process end while the module's workers wait for work. */
export function detachWorkers(wasm: BackendWasm['wasm']): void {
  for (const worker of (wasm as unknown as ThreadedModule<Worker>).PThread.runningWorkers) worker.unref();
}

function workerScript(loader: string, file: string): URL {
  const { wasmWorkerContents } = require(file) as { wasmWorkerContents: string };
  const code = wasmWorkerContents.replace(/\n/g, '\\n'); // In the package's string, the backslashes of inner strings are lost.
  const [path, body] = [loader, code].map((text) => JSON.stringify(text));
  const script = `import { createRequire } from 'node:module'; new Function('require', '__filename', ${body})(createRequire(${path}), ${path});`;
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`);
}

/** The loader sets a global `Worker` and listens for the process's uncaught errors; this undoes both. */
async function withoutTraces<T>(load: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  const worker = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  try {
    return await load();
  } finally {
    if (worker) Object.defineProperty(globalThis, 'Worker', worker);
    else Reflect.deleteProperty(globalThis, 'Worker');
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        if (!before[i].includes(listener)) process.removeListener(event, listener);
      }
    });
  }
}
