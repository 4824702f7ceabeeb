import { Worker } from 'node:worker_threads';
import type { WasmPool } from '../backend/wasmPool';

/** All that a helper does is to wait for jobs and do its share of them (wasm/pool.ts). */
const HELPER = `
  const { module, memory, control, thread } = require('node:worker_threads').workerData;
  new WebAssembly.Instance(module, { env: { memory } }).exports.help(control, thread);
`;

/**
 * Starts threads that help with our kernels, where the memory can be shared. They begin when they are ready and do not keep the process alive.
 *
 * @returns ends them; nothing may be computed any more then
 */
export function startHelpers(pool: WasmPool, count: number): () => void {
  const { module, memory, control } = pool;
  const helpers = Array.from({ length: pool.isShared ? count : 0 }, (_, i) =>
    new Worker(HELPER, { eval: true, execArgv: [], workerData: { module, memory, control, thread: i + 1 } }));
  for (const helper of helpers) helper.unref();
  pool.setHelpers(helpers.length);
  return () => {
    pool.settle();
    for (const helper of helpers) void helper.terminate();
  };
}
