import { Worker } from 'node:worker_threads';
import { HELP, type HelperData } from '../backend/wasmHelp';

/** Starts a helper for our kernels that does not keep the process alive. @returns a function that ends it */
export function startHelper(workerData: HelperData): () => void {
  const helper = new Worker(`(${HELP})(require('node:worker_threads').workerData)`, {
    eval: true,
    execArgv: [],
    workerData,
  });
  helper.unref();
  return () => void helper.terminate();
}
