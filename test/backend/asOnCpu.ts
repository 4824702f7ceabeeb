import * as tf from '@tensorflow/tfjs';

/** The result of tfjs's JavaScript backend. */
async function onCpu(compute: () => tf.Tensor): Promise<unknown> {
  await tf.setBackend('cpu');
  const y = compute();
  const expected = [y.shape, y.arraySync()];
  y.dispose();
  await tf.setBackend('wasm');
  return expected;
}

/**
 * Expects the current backend, wasm, to compute the same as tfjs's JavaScript backend, with one new tensor in memory.
 */
export async function expectAsOnCpu(compute: () => tf.Tensor): Promise<void> {
  const before = tf.memory().numTensors;
  const y = compute();
  expect(tf.memory().numTensors).toBe(before + 1);
  const actual = [y.shape, y.arraySync()];
  y.dispose();
  expect(actual).toEqual(await onCpu(compute));
}

/** Whole numbers from 1 on. */
export const counted = (shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.Tensor =>
  tf.reshape(tf.range(1, 1 + shape.reduce((product, size) => product * size, 1), 1, dtype), shape);
