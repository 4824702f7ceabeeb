import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { mergeHeads, scaledDotProduct, selfAttention, splitHeads } from '../../src/attention/scaledDotProduct';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { plainly } from './plainly';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

/** Against the same in tfjs's operations. */
function expectAsPlain(x: tf.Tensor, attend: (x: tf.Tensor) => tf.Tensor): void {
  const before = tf.memory().numTensors;
  const fast = attend(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  const plain = plainly(() => attend(x));
  expect(fast.shape).toEqual(plain.shape);
  expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(1e-5);
}

test.each([
  [2, 4, 64, 16],
  [1, 1, 1, 1],
  [3, 2, 13, 5],
  [1, 8, 30, 40],
])(
  'self-attention of %d rows with %d heads of %d tokens of %d numbers is as defined',
  (rows, heads, tokens, headSize) => {
    for (const causal of [false, true]) {
      expectAsPlain(tf.randomNormal([rows, tokens, 3 * heads * headSize]), (qkv) =>
        selfAttention(qkv as tf.Tensor3D, heads, { causal }),
      );
    }
  },
);

test.each([
  [2, 4, 64, 7, 16],
  [1, 2, 3, 77, 5],
  [1, 1, 5, 8, 8],
])(
  'attention of %d rows with %d heads, %d queries to %d keys of %d numbers is as defined',
  (rows, heads, queries, keys, headSize) => {
    const [k, v] = [0, 1].map(() => tf.randomNormal<tf.Rank.R4>([rows, heads, keys, headSize]));
    expectAsPlain(tf.randomNormal([rows, queries, heads * headSize]), (x) =>
      tf.tidy(() => mergeHeads(scaledDotProduct({ q: splitHeads(x as tf.Tensor3D, heads)[0], k, v }))),
    );
  },
);

test.each([
  [2, 4, 16, 16, 3],
  [1, 3, 5, 6, 2],
  [3, 1, 1, 1, 1],
])(
  "heads of %d rows, %d heads, %d tokens of %d numbers are split and merged as in tfjs's operations",
  (rows, heads, tokens, headSize, parts) => {
    const x = tf.randomNormal<tf.Rank.R3>([rows, tokens, parts * heads * headSize]);
    for (let part = 0; part < parts; part++) {
      expectAsPlain(x, (whole) => tf.tidy(() => splitHeads(whole as tf.Tensor3D, heads, parts)[part]));
    }
    tf.tidy(() =>
      expect(mergeHeads(splitHeads(x, heads, parts)[0]).arraySync()).toEqual(
        tf.slice(x, [0, 0, 0], [rows, tokens, heads * headSize]).arraySync(),
      ),
    );
  },
);

test('attention that nobody looks into is the same to the last bit as that of which each step is laid out', () => {
  tf.tidy(() => {
    const [q, k, v] = [0, 1, 2].map(() => tf.randomNormal<tf.Rank.R4>([2, 3, 37, 20]));
    const stepByStep = tf.matMul(tf.softmax(tf.matMul(tf.mul(q, 20 ** -0.5), k, false, true)), v);
    expect(scaledDotProduct({ q, k, v }).dataSync()).toEqual(stepByStep.dataSync());
  });
});
