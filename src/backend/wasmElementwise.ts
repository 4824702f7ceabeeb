import * as tf from '@tensorflow/tfjs';
import { rowsPerChunk, type WasmCall, type WasmKernel } from './wasmKernel';
import { Arithmetic, ArithmeticAt, GegluAt, Job, SiluAt, SoftmaxAt } from './wasmLayout';
import { bitsOf, placed } from './wasmPool';

/** For `geglu` (src/nn/activations.ts). */
export const geglu: WasmKernel = (call) => runGeglu(Job.geglu, call, 40);

/** For its gradient. */
export const gegluGradient: WasmKernel = (call) => runGeglu(Job.gegluGradient, call, 70);

/** @param operations a number of the result's features takes */
function runGeglu(job: Job, { inputs: { x, dy }, backend, pool }: WasmCall, operations: number): tf.TensorInfo {
  const features = x.shape[x.shape.length - 1] / 2;
  const out = backend.makeOutput(dy ? x.shape : [...x.shape.slice(0, -1), features], 'float32');
  const rows = tf.util.sizeFromShape(x.shape) / (2 * features);
  const each = rowsPerChunk(rows, features, pool.threads);
  const parameters = placed(GegluAt, {
    x: pool.address(x),
    out: pool.address(out),
    rows,
    features,
    rowsPerChunk: each,
    dy: dy ? pool.address(dy) : 0,
  });
  pool.run(job, Math.ceil(rows / each), parameters, operations * rows * features);
  return out;
}

/** For `silu` and `quickGelu` (src/nn/activations.ts). */
export const silu: WasmKernel = ({ inputs: { x }, attrs: { slope }, backend, pool }) => {
  const out = backend.makeOutput(x.shape, 'float32');
  const size = tf.util.sizeFromShape(x.shape);
  const each = 4 * rowsPerChunk(size / 4, 4, pool.threads);
  const parameters = placed(SiluAt, {
    x: pool.address(x),
    out: pool.address(out),
    numbers: size,
    perChunk: each,
    slope: bitsOf(slope),
  });
  pool.run(Job.silu, Math.ceil(size / each), parameters, 30 * size);
  return out;
};

/** Replaces tfjs's `Softmax`, which is always along the last axis. */
export const softmax: WasmKernel = ({ inputs: { logits }, backend, pool }) => {
  const size = logits.shape[logits.shape.length - 1];
  const out = backend.makeOutput(logits.shape, 'float32');
  const rows = tf.util.sizeFromShape(logits.shape.slice(0, -1));
  const each = rowsPerChunk(rows, size, pool.threads);
  const parameters = placed(SoftmaxAt, {
    x: pool.address(logits),
    out: pool.address(out),
    rows,
    size,
    rowsPerChunk: each,
  });
  pool.run(Job.softmax, Math.ceil(rows / each), parameters, 30 * rows * size);
  return out;
};

/**
 * Replaces tfjs's kernel of that name if both operands have the same shape or the second is a single number; else uses
 * `plain`, which is tfjs's.
 */
export function arithmeticOr(name: keyof typeof Arithmetic, plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const { a, b } = inputs;
    const isOne = tf.util.sizeFromShape(b.shape) === 1 && b.shape.length <= a.shape.length;
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || !(isOne || tf.util.arraysEqual(a.shape, b.shape)))
      return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const out = backend.makeOutput(a.shape, 'float32');
    const size = tf.util.sizeFromShape(a.shape);
    const each = 4 * rowsPerChunk(size / 4, 4, pool.threads);
    const parameters = placed(ArithmeticAt, {
      a: pool.address(a),
      b: pool.address(b),
      out: pool.address(out),
      numbers: size,
      perChunk: each,
      operation: Arithmetic[name],
      isOne: Number(isOne),
    });
    pool.run(Job.arithmetic, Math.ceil(size / each), parameters, 2 * size);
    return out;
  };
}
