import { Worker } from 'node:worker_threads';
import type { WasmPool } from '../backend/wasmPool';

/** All that a helper does is its share of the jobs, and to sleep while there are none (wasm/pool.ts). */
const HELPER = `
  const { module, memory, queue, thread } = require('node:worker_threads').workerData;
  const { help } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const events = new Int32Array(memory.buffer, queue, 1);
  while (true) {
    const seen = Atomics.load(events, 0);
    help(queue, thread);
    Atomics.wait(events, 0, seen);
  }
`;

/**
 * Starts threads that help with our kernels, where the memory can be shared. They begin when they are ready and do not
 * keep the process alive.
 *
 * @returns ends them; nothing may be computed any more then
 */
export function startHelpers(pool: WasmPool, count: number): () => void {
  const { module, memory, queue } = pool;
  const helpers = Array.from(
    { length: pool.isShared ? count : 0 },
    (_, i) => new Worker(HELPER, { eval: true, execArgv: [], workerData: { module, memory, queue, thread: i + 1 } }),
  );
  for (const helper of helpers) helper.unref();
  pool.setHelpers(helpers.length);
  return () => {
    pool.settle();
    for (const helper of helpers) void helper.terminate();
  };
}
