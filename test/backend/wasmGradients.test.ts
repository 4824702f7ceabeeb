import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { expectAsOnCpu } from './asOnCpu';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

const whole = (shape: number[]): tf.Tensor =>
  tf.reshape(tf.sub(tf.mod(tf.mul(tf.range(0, tf.util.sizeFromShape(shape)), 7), 11), 5), shape);

const gradient = (f: (x: tf.Tensor) => tf.Tensor, shape: number[]) =>
  expectAsOnCpu(() => tf.tidy(() => tf.grad((x: tf.Tensor) => tf.square(f(x)))(whole(shape))));

test('of rows that are gathered, some of them twice and some never, along any axis', async () => {
  const indices = (): tf.Tensor1D => tf.tensor1d([2, 0, 2, 3], 'int32');
  await gradient((x) => tf.gather(x, indices()), [5, 3]);
  await gradient((x) => tf.gather(x, indices(), 1), [2, 4, 3]);
  await gradient((x) => tf.gather(x, tf.tensor2d([[1, 1]], undefined, 'int32')), [2]);
});

test('of convolutions, for their filters too', async () => {
  await gradient(
    (filter) => tf.conv2d(whole([2, 5, 4, 3]) as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same'),
    [3, 3, 3, 2],
  );
  for (const [of, x, filter] of [
    ['x', [1, 5, 4, 2], [3, 3, 2, 1]],
    ['filter', [1, 5, 4, 2], [3, 3, 2, 1]],
  ] as const) {
    const shape = of === 'x' ? x : filter;
    await gradient(
      (at) => {
        const [a, b] = of === 'x' ? [at, whole([...filter])] : [whole([...x]), at];
        return tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same');
      },
      [...shape],
    );
  }
});
