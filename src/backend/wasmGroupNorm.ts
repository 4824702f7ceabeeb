import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { FusedKernel } from './fused';

/**
 * Group norm for the wasm backend as one kernel: the backend's own kernels go over the large tensors, loops here over the few
 * numbers between them. The book-keeping that tfjs does for some twenty operations took longer than they did.
 */

const KERNEL: FusedKernel = 'P2pGroupNorm';

/** Gives the wasm backend a kernel of its own for `GroupNorm` (src/nn/groupNorm.ts); again, it does nothing. */
export function registerWasmGroupNorm(): void {
  if (!tf.getKernel(KERNEL, 'wasm')) tf.registerKernel({ kernelName: KERNEL, backendName: 'wasm', kernelFunc: groupNorm });
}

/** x [rows, height, width, channels], weight and bias [channels]; then SiLU if told */
const groupNorm: tf.KernelFunc = ({ inputs, attrs, backend }) => {
  const wasm = backend as BackendWasm;
  const { x, weight, bias } = inputs as Record<string, tf.TensorInfo>;
  const { groups, epsilon, silu } = attrs as { groups: number; epsilon: number; silu: number };
  const [rows, height, width, channels] = x.shape;
  const run = (kernel: string, inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap = {}): tf.TensorInfo =>
    tf.getKernel(kernel, 'wasm').kernelFunc({ inputs, attrs, backend }) as tf.TensorInfo;
  const channelMeans = (x: tf.TensorInfo): tf.TensorInfo => run('AvgPool', { x }, { filterSize: [height, width], strides: 1, pad: 'valid' });
  // A view holds until memory is next asked for, which may move it all.
  const view = (tensor: tf.TensorInfo): Float32Array => wasm.typedArrayFromHeap(tensor) as Float32Array;

  const mean = channelMeans(x);
  meanOfEach(rows * groups, view(mean));
  const squares = run('SquaredDifference', { a: x, b: mean });
  const variance = channelMeans(squares);
  meanOfEach(rows * groups, view(variance));

  // y = scale x + shift; these two take the places of variance and mean
  const [scale, shift, w, b] = [variance, mean, weight, bias].map(view);
  for (let i = 0; i < scale.length; i++) {
    scale[i] = w[i % channels] / Math.sqrt(scale[i] + epsilon);
    shift[i] = b[i % channels] - shift[i] * scale[i];
  }
  const scaled = run('Multiply', { a: x, b: variance });
  const normal = run('Add', { a: scaled, b: mean });
  const made = [mean, squares, variance, scaled];
  let y = normal;
  if (silu) {
    const gate = run('Sigmoid', { x: normal });
    y = run('Multiply', { a: normal, b: gate });
    made.push(normal, gate);
  }
  for (const tensor of made) wasm.disposeData(tensor.dataId);
  return y;
};

/** Divides the values into groups of equal size and gives each of them its group's mean. */
function meanOfEach(groups: number, values: Float32Array): void {
  const size = values.length / groups;
  for (let start = 0; start < values.length; start += size) {
    let sum = 0;
    for (let i = start; i < start + size; i++) sum += values[i];
    values.fill(sum / size, start, start + size);
  }
}
