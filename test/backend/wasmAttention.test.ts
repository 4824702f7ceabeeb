import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { mergeHeads, scaledDotProduct, selfAttention, splitHeads } from '../../src/attention/scaledDotProduct';
import { prepareWasm } from '../../src/backend/wasmKernels';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

/** Against what is computed while a gradient is taken: tfjs's operations. */
function expectAsPlain(x: tf.Tensor, attend: (x: tf.Tensor) => tf.Tensor): void {
  const before = tf.memory().numTensors;
  const fast = attend(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  const plain = tf.valueAndGrad(attend)(x, fast).value;
  expect(fast.shape).toEqual(plain.shape);
  expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(1e-5);
}

test.each([[2, 4, 64, 16], [1, 1, 1, 1], [3, 2, 13, 5], [1, 8, 30, 40]])('self-attention of %d rows with %d heads of %d tokens of %d numbers is as defined', (rows, heads, tokens, headSize) => {
  expectAsPlain(tf.randomNormal([rows, tokens, 3 * heads * headSize]), (qkv) => selfAttention(qkv as tf.Tensor3D, heads));
});

test.each([[2, 4, 64, 7, 16], [1, 2, 3, 77, 5], [1, 1, 5, 8, 8]])('attention of %d rows with %d heads, %d queries to %d keys of %d numbers is as defined', (rows, heads, queries, keys, headSize) => {
  const [k, v] = [0, 1].map(() => tf.randomNormal<tf.Rank.R4>([rows, heads, keys, headSize]));
  expectAsPlain(tf.randomNormal([rows, queries, heads * headSize]), (x) => tf.tidy(() => mergeHeads(scaledDotProduct({ q: splitHeads(x as tf.Tensor3D, heads)[0], k, v }))));
});
