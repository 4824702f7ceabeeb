import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * tfjs's wasm module with threads, as Node and browsers both start it: src/node/wasmThreads.ts and src/browser/wasm.ts bring what differs.
 *
 * The module asks for the number of cores when it starts and allows half as many threads, so the answer is twice the number wanted; and the
 * loader always makes eight workers, of which those are ended that there is no work for.
 */

/** The module's own limit; the thread that it is loaded in is one of them. */
export const MAX_WASM_THREADS = 8;

/** A worker as either platform has it. */
interface Ending {
  terminate(): unknown;
}

/** The part of emscripten's module that is needed. */
export interface ThreadedModule<W extends Ending = Ending> {
  PThread: { unusedWorkers: W[]; runningWorkers: W[] };
  cwrap(name: string, result: 'number' | null, parameters: 'number'[]): (...parameters: number[]) => number;
}

/** What the loader takes; it makes the module of this very object. */
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
 * @returns what tfjs-backend-wasm's `BackendWasm` is made with
 * @throws where the runtime lacks threads or SIMD for WebAssembly
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

/** The C functions as tfjs names them (tfjs-backend-wasm `init` in backend_wasm.ts). */
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
