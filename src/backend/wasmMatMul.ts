import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { FusedKernel } from './fused';

/**
 * Matrix products for the wasm backend that always run in XNNPACK.
 *
 * tfjs 4.22 hands only the plain product of two matrices to XNNPACK. Batches and transposed operands, which is all of attention, go
 * through a naive loop some twenty times slower, and that loop adds a fused bias once per block of 48 (tfjs-backend-wasm
 * `batch_mat_mul_impl.cc`, `slow_batch_matmul`). Here transposed operands are laid out first, and each matrix of a batch is a
 * view: a tensor id registered in the middle of the batch's memory, so that nothing is copied.
 */

type Kernel = (args: { inputs: tf.NamedTensorInfoMap; attrs: tf.NamedAttrMap; backend: unknown }) => tf.TensorInfo;

/** The part of the backend's emscripten module that the product needs. */
interface MatMulModule {
  HEAP32: Int32Array;
  HEAPF32: Float32Array;
  _malloc(bytes: number): number;
  _free(offset: number): void;
  __FusedMatMul(
    a: number, aShape: number, aRank: number, b: number, bShape: number, bRank: number, transposeA: 0, transposeB: 0,
    activation: number, bias: number, prelu: number, leakyReluAlpha: number, out: number,
  ): void;
  tfjs: { registerTensor(id: number, size: number, offset: number): void; disposeData(id: number): void };
}

/** tfjs counts its tensor ids up from 1; these at the far end are the views'. */
const VIEW = { a: 2 ** 31 - 1, b: 2 ** 31 - 2, out: 2 ** 31 - 3 };

/** tfjs-backend-wasm `FusableActivation`. */
const ACTIVATIONS = ['linear', 'relu', 'relu6', 'prelu', 'leakyrelu', 'sigmoid', 'elu'];

/**
 * Replaces the wasm backend's `BatchMatMul` and `_FusedMatMul` kernels, and gives it one of its own for `Linear` (src/nn/linear.ts).
 * Gradients stay, as they belong to the operations above.
 * Call it once the wasm backend's package is imported; again, or without that package, it does nothing.
 */
export function replaceWasmMatMul(): void {
  const current = tf.getKernel('BatchMatMul', 'wasm');
  if (!current || current.kernelFunc === (batchMatMul as unknown as tf.KernelFunc)) return;
  for (const [kernelName, kernelFunc] of [['BatchMatMul', batchMatMul], ['_FusedMatMul', fusedMatMul]] as const) {
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernelFunc as unknown as tf.KernelFunc });
  }
  tf.registerKernel({ kernelName: LINEAR, backendName: 'wasm', kernelFunc: linear as unknown as tf.KernelFunc });
}

const LINEAR: FusedKernel = 'P2pLinear';

/** The layer's weight is one matrix for all of x's, however many axes they lie in. */
const linear: Kernel = ({ inputs: { x, weight, bias }, backend }) =>
  matMul(backend as BackendWasm, { a: x, b: weight, bias }, { transposeA: false, transposeB: false }, { activation: 0, leakyReluAlpha: 0 });

const batchMatMul: Kernel = ({ inputs, attrs, backend }) => matMul(backend as BackendWasm, inputs, attrs, { activation: 0, leakyReluAlpha: 0 });

const fusedMatMul: Kernel = ({ inputs, attrs, backend }) => {
  const activation = ACTIVATIONS.indexOf(attrs['activation'] as string);
  if (activation < 0) throw new Error(`The wasm backend cannot fuse the activation ${String(attrs['activation'])} into a matMul; it can ${ACTIVATIONS.join(', ')}.`);
  return matMul(backend as BackendWasm, inputs, attrs, { activation, leakyReluAlpha: (attrs['leakyreluAlpha'] as number | undefined) ?? 0 });
};

function matMul(backend: BackendWasm, inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap, fused: { activation: number; leakyReluAlpha: number }): tf.TensorInfo {
  const made: tf.TensorInfo[] = [];
  const laidOut = (x: tf.TensorInfo, transposed: boolean): tf.TensorInfo => {
    if (x.dtype !== 'float32') throw new Error(`matMul on the wasm backend takes float32, not ${x.dtype}.`);
    if (!transposed) return x;
    const swapped = swapLastAxes(x, backend);
    made.push(swapped);
    return swapped;
  };
  const a = laidOut(inputs['a']!, attrs['transposeA'] as boolean);
  const b = laidOut(inputs['b']!, attrs['transposeB'] as boolean);

  const [rows, inner] = a.shape.slice(-2);
  const columns = b.shape[b.shape.length - 1];
  const batchShape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = backend.makeOutput([...batchShape, rows, columns], 'float32');

  const module = backend.wasm as unknown as MatMulModule;
  const id = (x: tf.TensorInfo | undefined): number => (x ? backend.dataIdMap.get(x.dataId).id : 0);
  const offset = (x: tf.TensorInfo): number => backend.getMemoryOffset(x.dataId);
  const ids = { bias: id(inputs['bias']), prelu: id(inputs['preluActivationWeights']) };
  const shapes = module._malloc(24);
  const multiply = (aId: number, aRows: number, bId: number, outId: number): void => {
    module.HEAP32.set([1, aRows, inner, 1, inner, columns], shapes >>> 2);
    module.__FusedMatMul(aId, shapes, 3, bId, shapes + 12, 3, 0, 0, fused.activation, ids.bias, ids.prelu, fused.leakyReluAlpha, outId);
  };

  const sizes = { a: rows * inner, b: inner * columns, out: rows * columns };
  const batches = tf.util.sizeFromShape(batchShape);
  if (batches * sizes.out === 0) {
    // Nothing to compute.
  } else if (inner === 0) {
    if (ids.bias) throw new Error('matMul with a bias on the wasm backend needs at least one column in a.');
    module.HEAPF32.fill(0, offset(out) >>> 2, (offset(out) >>> 2) + batches * sizes.out);
  } else if (tf.util.sizeFromShape(b.shape) === sizes.b) {
    // One matrix for all of a's: a's are one tall matrix. XNNPACK keeps what it packed of b until b is disposed.
    multiply(id(a), batches * rows, id(b), id(out));
  } else {
    const bytes = Float32Array.BYTES_PER_ELEMENT;
    const view = (viewId: number, size: number, start: number): void => module.tfjs.registerTensor(viewId, size, start);
    const aBatch = batchIndexer(a.shape.slice(0, -2), batchShape);
    const bBatch = batchIndexer(b.shape.slice(0, -2), batchShape);
    for (let batch = 0; batch < batches; batch++) {
      view(VIEW.a, sizes.a, offset(a) + aBatch(batch) * sizes.a * bytes);
      view(VIEW.b, sizes.b, offset(b) + bBatch(batch) * sizes.b * bytes);
      view(VIEW.out, sizes.out, offset(out) + batch * sizes.out * bytes);
      multiply(VIEW.a, rows, VIEW.b, VIEW.out);
      for (const viewId of Object.values(VIEW)) module.tfjs.disposeData(viewId);
    }
  }
  module._free(shapes);
  for (const tensor of made) backend.disposeData(tensor.dataId);
  return out;
}

function swapLastAxes(x: tf.TensorInfo, backend: BackendWasm): tf.TensorInfo {
  const rank = x.shape.length;
  const perm = [...x.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2);
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc as unknown as Kernel;
  return transpose({ inputs: { x }, attrs: { perm }, backend });
}

/** Which matrix of `shape`'s batch belongs to the n-th of the broadcast batch. */
function batchIndexer(shape: readonly number[], broadcast: readonly number[]): (batch: number) => number {
  if (shape.length === broadcast.length && shape.every((size, axis) => size === broadcast[axis])) return (batch) => batch;
  return (batch) => {
    let index = 0;
    let stride = 1;
    for (let axis = 1; axis <= broadcast.length; axis++) {
      const position = batch % broadcast[broadcast.length - axis];
      batch = Math.floor(batch / broadcast[broadcast.length - axis]);
      const size = shape[shape.length - axis] ?? 1;
      if (size > 1) index += position * stride;
      stride *= size;
    }
    return index;
  };
}
