import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { type Loader, startThreadedModule, type ThreadedModule } from '../backend/wasmThreads';

/**
 * tfjs's wasm module with threads, in Node.
 *
 * tfjs 4.22 carries a threaded build of its wasm module and never starts it in Node. Its emscripten loader does run there; this file
 * calls the loader as tfjs would, with what Node needs besides:
 * - A script for the workers. The package has it as a string; Node's `Worker` takes it as a `data:` URL, which is an ES module to
 *   Node, so a `require` is made for it.
 * - The loader's own path, as every worker runs the loader again.
 * - Workers that do not keep the process alive.
 */

const PACKAGE = '@tensorflow/tfjs-backend-wasm';
const MODULE = 'tfjs-backend-wasm-threaded-simd';

/**
 * @param threads 2 .. MAX_WASM_THREADS
 * @returns what tfjs-backend-wasm's `BackendWasm` is made with; call `detachWorkers` on it once the backend is made
 * @throws where the runtime lacks threads or SIMD for WebAssembly
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
  const code = wasmWorkerContents.replace(/\n/g, '\\n'); // The package's string has lost the backslashes of its own strings.
  const [path, body] = [loader, code].map((text) => JSON.stringify(text));
  const script = `import { createRequire } from 'node:module'; new Function('require', '__filename', ${body})(createRequire(${path}), ${path});`;
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`);
}

/** The loader puts a `Worker` among the globals and listens for the process's uncaught errors; both are as before afterwards. */
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
