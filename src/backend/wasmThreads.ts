import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * Starts tfjs's threaded wasm module, for both Node and browsers; src/node/wasmThreads.ts and src/browser/wasm.ts
 * supply what differs.
 *
 * When it starts, the module asks for the number of cores and uses half as many threads, so it is told twice the number
 * wanted. The loader always makes eight workers; the surplus ones are terminated.
 */

/** The module's own limit, which includes the thread that loads it. */
export const MAX_WASM_THREADS = 8;

/** A worker on either platform. */
interface Ending {
  terminate(): unknown;
}

/** The part of emscripten's module that is needed. */
export interface ThreadedModule<W extends Ending = Ending> {
  PThread: { unusedWorkers: W[]; runningWorkers: W[] };
  cwrap(name: string, result: 'number' | null, parameters: 'number'[]): (...parameters: number[]) => number;
}

/** The loader's options. The loader turns this very object into the module. */
export interface LoaderOptions extends Partial<ThreadedModule> {
  /** The loader itself, which every worker runs again. */
  mainScriptUrlOrBlob: string | Blob;
  locateFile(file: string): string | URL;
  instantiateWasm(
    imports: { env: Record<string, unknown> },
    receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
}

export type Loader = (options: LoaderOptions) => Promise<ThreadedModule>;

/**
 * @param threads 2 .. MAX_WASM_THREADS
 * @returns the module that tfjs-backend-wasm's `BackendWasm` takes
 * @throws if the runtime lacks threads or SIMD for WebAssembly
 */
export async function startThreadedModule(
  load: Loader,
  binary: WebAssembly.Module,
  threads: number,
  where: Pick<LoaderOptions, 'mainScriptUrlOrBlob' | 'locateFile'>,
): Promise<BackendWasm['wasm']> {
  const options: LoaderOptions = {
    ...where,
    instantiateWasm: (imports, receive) => {
      for (const surplus of options.PThread!.unusedWorkers.splice(threads - 1)) void surplus.terminate();
      imports.env.emscripten_num_logical_cores = () => 2 * threads;
      receive(new WebAssembly.Instance(binary, imports as unknown as WebAssembly.Imports), binary);
      return {};
    },
  };
  const module = await load(options);
  return Object.assign(module, { tfjs: tfjsFunctions(module) }) as unknown as BackendWasm['wasm'];
}

/** The C functions under tfjs's names (tfjs-backend-wasm `init` in backend_wasm.ts). */
function tfjsFunctions({ cwrap }: ThreadedModule): object {
  return {
    init: cwrap('init', null, []),
    initWithThreadsCount: cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: cwrap('get_threads_count', 'number', []),
    registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: cwrap('dispose_data', null, ['number']),
    dispose: cwrap('dispose', null, []),
  };
}
