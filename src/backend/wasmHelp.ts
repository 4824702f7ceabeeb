import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { hasWasmKernels, WasmPool } from './wasmPool';

/** The data passed to a helper thread. */
export interface HelperData extends Pick<WasmPool, 'module' | 'memory' | 'queue'> {
  /** 1 for the first helper. */
  readonly thread: number;
}

/**
 * A helper's script, a function of {@link HelperData}. It works on the queued jobs and sleeps while there are none
 * (wasm/pool.ts).
 */
export const HELP = `({ module, memory, queue, thread }) => {
  const { help } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const events = new Int32Array(memory.buffer, queue, 1);
  while (true) {
    const seen = Atomics.load(events, 0);
    help(queue, thread);
    Atomics.wait(events, 0, seen);
  }
}`;

/**
 * Gives a backend helper threads for our kernels, if its memory is shared. They begin when they are ready and end with
 * the backend.
 *
 * @param start starts a thread that runs {@link HELP} and returns a function that ends it
 */
export function helpWith(backend: BackendWasm, count: number, start: (data: HelperData) => () => void): void {
  if (!hasWasmKernels()) return;
  const pool = WasmPool.of(backend);
  if (!pool.isShared) return;
  const { module, memory, queue } = pool;
  const ends = Array.from({ length: count }, (_, i) => start({ module, memory, queue, thread: i + 1 }));
  pool.setHelpers(count);
  const dispose = backend.dispose.bind(backend);
  backend.dispose = () => {
    pool.settle();
    for (const end of ends) end();
    dispose();
  };
}
