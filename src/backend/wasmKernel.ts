import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { WasmPool } from './wasmPool';

/** The arguments of a kernel for the wasm backend. */
export interface WasmCall {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<string, number>>;
  readonly backend: BackendWasm;
  readonly pool: WasmPool;
}

export type WasmKernel = (call: WasmCall) => tf.TensorInfo;

/** Registers a kernel for the wasm backend, replacing the one of that name if there is one. */
export function registerWasm(kernelName: string, kernel: WasmKernel): void {
  const before = tf.getKernel(kernelName, 'wasm');
  if (before) tf.unregisterKernel(kernelName, 'wasm');
  const kernelFunc: tf.KernelFunc = ({ inputs, attrs, backend }) =>
    kernel({ inputs, attrs, backend, pool: WasmPool.of(backend as BackendWasm) } as WasmCall);
  tf.registerKernel({ ...before, kernelName, backendName: 'wasm', kernelFunc });
}

/** Makes tfjs's own kernels wait until our jobs are finished, except the one that does not read any numbers. */
export function settleBeforeOthers(): void {
  for (const { kernelName, kernelFunc, ...rest } of tf.getKernelsForBackend('wasm')) {
    if (kernelName === 'Reshape') continue;
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      ...rest,
      kernelName,
      kernelFunc: (call) => {
        WasmPool.of(call.backend as BackendWasm).settle();
        return kernelFunc(call);
      },
    });
  }
}

/** Calls another of the wasm backend's kernels. */
export function callWasm(
  kernelName: string,
  inputs: tf.NamedTensorInfoMap,
  attrs: object,
  backend: BackendWasm,
): tf.TensorInfo {
  return tf
    .getKernel(kernelName, 'wasm')
    .kernelFunc({ inputs, attrs: attrs as tf.NamedAttrMap, backend }) as tf.TensorInfo;
}

/** How many rows of a size make a chunk: enough numbers to be worth it, and a few chunks per thread. */
export function rowsPerChunk(rows: number, size: number, threads: number): number {
  return Math.max(1, Math.ceil(4096 / size), Math.ceil(rows / (8 * threads)));
}
