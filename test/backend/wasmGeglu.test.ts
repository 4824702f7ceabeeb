import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { registerWasmGeglu } from '../../src/backend/wasmGeglu';
import { geglu } from '../../src/nn/activations';

beforeAll(async () => {
  registerWasmGeglu();
  registerWasmGeglu();
  await tf.setBackend('wasm');
});

test('is the hidden half times gelu of the gates, row by row', () => {
  // gelu by PyTorch in float64.
  const gates = [[-8, -3, -1, -0.1, 0], [0.1, 1, 3, 8, 20], [-1e-6, 1e-6, -5.4999, 5.4999, -6]];
  const gelus = [[-4.885e-15, -0.004049694, -0.158655254, -0.046017216, 0], [0.053982784, 0.841344746, 2.995950306, 8, 20], [-5e-7, 5e-7, -1.045e-7, 5.4998999, -5.92e-9]];
  const hidden = [2, -3, 1];
  const x = tf.tensor3d(gates.flatMap((row, i) => [...row.map(() => hidden[i]), ...row]), [1, 3, 10]);
  const before = tf.memory().numTensors;
  const y = geglu(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(y.shape).toEqual([1, 3, 5]);
  const actual = y.dataSync();
  gelus.flat().forEach((gelu, i) => expect(Math.abs(actual[i] - hidden[Math.floor(i / 5)] * gelu)).toBeLessThan(2e-6));
});

test('what is not a number stays so', () => {
  expect([...geglu(tf.tensor2d([[NaN, 1, 1, NaN]])).dataSync()]).toEqual([NaN, NaN]);
});

test('has the gradient of the formula', () => {
  const x = tf.randomNormal([2, 6], 0, 1, 'float32', 1);
  const direction = tf.randomNormal([2, 6], 0, 1, 'float32', 2);
  const loss = (at: tf.Tensor) => tf.sum(geglu(at)) as tf.Scalar;
  const slope = tf.sum(tf.mul(tf.grad(loss)(x), direction)).dataSync()[0];
  const h = 1e-2;
  const [ahead, behind] = [h, -h].map((step) => loss(tf.add(x, tf.mul(direction, step))).dataSync()[0]);
  expect(slope / ((ahead - behind) / (2 * h))).toBeCloseTo(1, 2);
});
