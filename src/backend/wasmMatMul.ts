import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { callWasm, type WasmKernel } from './wasmKernel';
import type { WasmPool } from './wasmPool';
import { multiply } from './wasmProduct';

/**
 * Matrix products for the wasm backend.
 *
 * tfjs 4.22 hands only the plain product of two matrices to XNNPACK. Batches and transposed operands, which all of
 * attention consists of, go through a naive loop about twenty times slower, and that loop adds a fused bias once per
 * block of 48 (tfjs-backend-wasm `batch_mat_mul_impl.cc`, `slow_batch_matmul`).
 */

/** For `Linear` (src/nn/linear.ts): one weight matrix for all rows of x, whatever its rank. */
export const linear: WasmKernel = ({ inputs: { x, weight, bias }, backend, pool }) => {
  const [inner, columns] = weight.shape;
  const out = backend.makeOutput([...x.shape.slice(0, -1), columns], 'float32');
  const rows = tf.util.sizeFromShape(x.shape) / inner;
  multiply(
    pool,
    { address: pool.address(x), matrices: 1, rows, channels: inner },
    { b: pool.address(weight), columns, transposed: false, bias: bias && pool.address(bias), out: pool.address(out) },
  );
  return out;
};

/** Replaces tfjs's `BatchMatMul`. */
export const batchMatMul: WasmKernel = ({
  inputs: { a, b, bias },
  attrs: { transposeA, transposeB },
  backend,
  pool,
}) => {
  for (const { dtype } of [a, b])
    if (dtype !== 'float32') throw new Error(`matMul on the wasm backend takes float32, not ${dtype}.`);
  const rowsOfA = transposeA ? swapLastAxes(a, backend) : a;
  const out = matMul(rowsOfA, b, !!transposeB, bias, backend, pool);
  if (rowsOfA !== a) backend.disposeData(rowsOfA.dataId);
  return out;
};

/** tfjs's activations that can follow a product, and the kernels that compute them. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  prelu: 'Prelu',
  leakyrelu: 'LeakyRelu',
  sigmoid: 'Sigmoid',
  elu: 'Elu',
};

/** Replaces tfjs's `_FusedMatMul`. */
export const fusedMatMul: WasmKernel = (call) => {
  const { activation, leakyreluAlpha: alpha } = call.attrs as unknown as {
    activation: string;
    leakyreluAlpha?: number;
  };
  if (activation !== 'linear' && !ACTIVATIONS[activation]) {
    throw new Error(
      `The wasm backend cannot fuse the activation ${activation} into a matMul; it can ${['linear', ...Object.keys(ACTIVATIONS)].join(', ')}.`,
    );
  }
  const product = batchMatMul(call);
  if (activation === 'linear') return product;
  const out = callWasm(
    ACTIVATIONS[activation],
    { x: product, alpha: call.inputs.preluActivationWeights },
    { alpha },
    call.backend,
  );
  call.backend.disposeData(product.dataId);
  return out;
};

function matMul(
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposed: boolean,
  bias: tf.TensorInfo | undefined,
  backend: BackendWasm,
  pool: WasmPool,
): tf.TensorInfo {
  const [rows, inner] = a.shape.slice(-2);
  const columns = b.shape[b.shape.length - (transposed ? 2 : 1)];
  const batchShape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = backend.makeOutput([...batchShape, rows, columns], 'float32');
  const batches = tf.util.sizeFromShape(batchShape);
  if (batches * rows * columns === 0) return out;

  const [aAt, bAt, outAt] = [a, b, out].map((tensor) => pool.address(tensor));
  const columnsAt = (bBatch: number, outBatch: number) => ({
    b: bAt + 4 * bBatch * inner * columns,
    columns,
    transposed,
    bias: bias && pool.address(bias),
    out: outAt + 4 * outBatch * rows * columns,
  });
  if (tf.util.sizeFromShape(b.shape.slice(0, -2)) === 1) {
    // One matrix b for all of a's matrices, so these form one tall matrix.
    multiply(pool, { address: aAt, matrices: 1, rows: batches * rows, channels: inner }, columnsAt(0, 0));
  } else if (
    tf.util.sizeFromShape(a.shape.slice(0, -2)) === batches &&
    tf.util.sizeFromShape(b.shape.slice(0, -2)) === batches
  ) {
    multiply(pool, { address: aAt, matrices: batches, rows, channels: inner }, columnsAt(0, 0));
  } else {
    const aBatch = batchIndexer(a.shape.slice(0, -2), batchShape);
    const bBatch = batchIndexer(b.shape.slice(0, -2), batchShape);
    for (let batch = 0; batch < batches; batch++) {
      multiply(
        pool,
        { address: aAt + 4 * aBatch(batch) * rows * inner, matrices: 1, rows, channels: inner },
        columnsAt(bBatch(batch), batch),
      );
    }
  }
  return out;
}

function swapLastAxes(x: tf.TensorInfo, backend: BackendWasm): tf.TensorInfo {
  const rank = x.shape.length;
  return callWasm('Transpose', { x }, { perm: [...x.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2) }, backend);
}

/** The index in `shape`'s batch of the n-th matrix of the broadcast batch. */
function batchIndexer(shape: readonly number[], broadcast: readonly number[]): (batch: number) => number {
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
