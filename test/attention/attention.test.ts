import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { scaledDotProduct } from '../../src/attention/scaledDotProduct';

beforeAll(async () => { await tf.setBackend('wasm'); });

test('attention in chunks of queries equals attention at once', () => {
  const [q, k, v] = [1, 2, 3].map((seed) => tf.randomNormal([2, 2, 12, 4], 0, 1, 'float32', seed) as tf.Tensor4D);
  const before = tf.memory().numTensors;
  const whole = scaledDotProduct({ q, k, v });
  const chunked = scaledDotProduct({ q, k, v }, 2 * 2 * 12 * 5);
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(tf.max(tf.abs(tf.sub(whole, chunked))).dataSync()[0]).toBeLessThan(1e-6);
});
