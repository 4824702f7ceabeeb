import * as tf from '@tensorflow/tfjs';
import { BackendError, type BackendInfo, type BackendOptions } from '../backend/backendInfo';
import { BACKEND_NAMES, type BackendName } from '../backend/names';
import { chooseBackend } from './backend';
import { memoryLimit, WASM_MEMORY } from './memoryLimit';

/** What a backend can do on this machine, or why it is not available and how to get it. */
export type BackendDescription = {
  readonly name: BackendName;
  /** The bytes that all tensors together can take; unknown for a GPU. */
  readonly memoryLimit?: number;
} & (
  | { readonly info: BackendInfo; readonly gflops: { readonly matMul: number; readonly conv2d: number } }
  | { readonly missing: string }
);

/**
 * Starts every available backend and measures it for about a second: a matrix product and a 3x3 convolution, each in
 * 10^9 floating-point operations per second. This changes tfjs's current backend.
 */
export async function describeBackends(options: BackendOptions = {}): Promise<BackendDescription[]> {
  const descriptions: BackendDescription[] = [];
  for (const name of BACKEND_NAMES) {
    try {
      const info = await chooseBackend(name, options);
      descriptions.push({ name, info, memoryLimit: memoryLimit(name), gflops: await measure() });
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      descriptions.push({ name, missing: error.message });
    }
  }
  return descriptions;
}

/**
 * Which of these backends to run a model on, and why.
 * @param modelBytes the size of all weights in float32
 */
export function recommendBackend(
  descriptions: readonly BackendDescription[],
  modelBytes: number,
): { readonly name?: BackendName; readonly why: string } {
  const there = (name: BackendName): BackendDescription | undefined =>
    descriptions.find((one) => one.name === name && 'info' in one);
  const native = there('node-gpu') ?? there('node');
  if (native)
    return {
      name: native.name,
      why: `TensorFlow's own kernels are the fastest${native.name === 'node-gpu' ? ', here on a GPU' : ''}`,
    };
  const needed = modelBytes + WORKING_MEMORY;
  if (!there('wasm')) return { why: 'no backend starts here' };
  if (needed > WASM_MEMORY)
    return {
      why: `the model needs more than the ${gibibytes(WASM_MEMORY)} that wasm can address; get a native backend with: p2p native install`,
    };
  return {
    name: 'wasm',
    why: `it is always available, and the model fits into its ${gibibytes(WASM_MEMORY)}; p2p native install builds a backend several times as fast`,
  };
}

/** What activations and the allocator take besides the weights, for a model small enough for wasm. */
const WORKING_MEMORY = 2 ** 30;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(0)} GiB`;

async function measure(): Promise<{ matMul: number; conv2d: number }> {
  const size = 512;
  const a = tf.randomNormal<tf.Rank.R2>([size, size]);
  const x = tf.randomNormal<tf.Rank.R4>([4, 32, 32, 64]);
  const filter = tf.randomNormal<tf.Rank.R4>([3, 3, 64, 64]);
  const matMul = await gflops(2 * size ** 3, () => tf.matMul(a, a));
  const conv2d = await gflops(2 * 4 * 32 * 32 * 64 * 64 * 9, () => tf.conv2d(x, filter, 1, 'same'));
  tf.dispose([a, x, filter]);
  return { matMul, conv2d };
}

/** The best of half a second's runs, because other programs may be using the processor. */
async function gflops(operations: number, compute: () => tf.Tensor): Promise<number> {
  const end = performance.now() + 500;
  let best = Infinity;
  for (let run = 0; run < 2 || performance.now() < end; run++) {
    const start = performance.now();
    const y = compute();
    await y.data();
    best = Math.min(best, performance.now() - start);
    y.dispose();
  }
  return operations / best / 1e6;
}
