import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { geglu, silu } from '../../src/nn/activations';
import { plainly } from './plainly';

beforeAll(async () => {
  prepareWasm();
  prepareWasm();
  await tf.setBackend('wasm');
});

test('GEGLU is the hidden half times gelu of the gates, row by row', () => {
  // gelu by PyTorch in float64.
  const gates = [
    [-8, -3, -1, -0.1, 0],
    [0.1, 1, 3, 8, 20],
    [-1e-6, 1e-6, -5.4999, 5.4999, -6],
  ];
  const gelus = [
    [-4.885e-15, -0.004049694, -0.158655254, -0.046017216, 0],
    [0.053982784, 0.841344746, 2.995950306, 8, 20],
    [-5e-7, 5e-7, -1.045e-7, 5.4998999, -5.92e-9],
  ];
  const hidden = [2, -3, 1];
  const x = tf.tensor3d(
    gates.flatMap((row, i) => [...row.map(() => hidden[i]), ...row]),
    [1, 3, 10],
  );
  const before = tf.memory().numTensors;
  const y = geglu(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(y.shape).toEqual([1, 3, 5]);
  const actual = y.dataSync();
  gelus.flat().forEach((gelu, i) => expect(Math.abs(actual[i] - hidden[Math.floor(i / 5)] * gelu)).toBeLessThan(2e-6));
});

test('what is not a number stays so in GEGLU', () => {
  expect([...geglu(tf.tensor2d([[NaN, 1, 1, NaN]])).dataSync()]).toEqual([NaN, NaN]);
});

test('GEGLU has the gradient of the formula', () => {
  const x = tf.randomNormal([2, 6], 0, 1, 'float32', 1);
  const direction = tf.randomNormal([2, 6], 0, 1, 'float32', 2);
  const loss = (at: tf.Tensor) => tf.sum(geglu(at)) as tf.Scalar;
  const slope = tf.sum(tf.mul(tf.grad(loss)(x), direction)).dataSync()[0];
  const h = 1e-2;
  const [ahead, behind] = [h, -h].map((step) => loss(tf.add(x, tf.mul(direction, step))).dataSync()[0]);
  expect(slope / ((ahead - behind) / (2 * h))).toBeCloseTo(1, 2);
});

test.each([3, 7, 64])(
  "GEGLU's gradient, of %d features, is as in tfjs's operations and leaves nothing behind",
  (features) => {
    const x = tf.mul(tf.randomNormal([2, 5, 2 * features]), 3);
    const gradient = (): tf.Tensor => tf.grad((at: tf.Tensor) => tf.square(geglu(at)))(x);
    const before = tf.memory().numTensors;
    const [fast, plain] = [gradient(), plainly(gradient)];
    expect(tf.memory().numTensors).toBe(before + 2);
    expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(1e-5 * tf.max(tf.abs(plain)).dataSync()[0]);
  },
);

test.each([1, 3, 4, 18, 5000])(
  'SiLU, softmax and sums of %d numbers are as defined and leave nothing behind',
  (size) => {
    const x = tf.randomNormal<tf.Rank.R2>([3, size], 0, 3);
    const values = x.arraySync();
    const before = tf.memory().numTensors;
    const results = [silu(x), tf.softmax(x), tf.add(x, x)];
    expect(tf.memory().numTensors).toBe(before + 3);
    const [siluOfX, softmaxOfX, sum] = results.map((result) => result.arraySync() as number[][]);
    values.forEach((row, i) => {
      const whole = row.reduce((total, value) => total + Math.exp(value), 0);
      row.forEach((value, j) => {
        expect(siluOfX[i][j]).toBeCloseTo(value / (1 + Math.exp(-value)), 5);
        expect(softmaxOfX[i][j] * whole).toBeCloseTo(Math.exp(value), -Math.log10(1e-5 * Math.exp(value)));
        expect(sum[i][j]).toBe(2 * value);
      });
    });
    tf.dispose([x, ...results]);
  },
);

test('softmax far from 0: what is masked gets nothing, and large numbers do not overflow', () => {
  const close = (logits: number[], expected: number[]) => {
    const probs = tf.tidy(() => tf.softmax(tf.tensor1d(logits)).arraySync());
    probs.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6));
  };
  close([-Infinity, 0, 0, -Infinity, -1e30], [0, 0.5, 0.5, 0, 0]);
  close([1e4, 1e4 - 200, -1e4], [1, 0, 0]);
  expect(tf.tidy(() => tf.softmax(tf.tensor1d([NaN, 0])).arraySync())).toEqual([NaN, NaN]);
});

test.each([1, 3, 4, 18, 5000])('differences, products and quotients of %d numbers, and by one number', (size) => {
  const [x, y] = [1, 2].map((seed) => tf.randomUniform([2, size], 0.5, 2, 'float32', seed));
  const [a, b] = [x, y].map((tensor) => tensor.dataSync());
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const exactly = (actual: tf.Tensor, expected: (i: number) => number): void => {
      expect(actual.shape).toEqual([2, size]);
      expect(actual.dataSync()).toEqual(Float32Array.from({ length: 2 * size }, (_, i) => expected(i)));
    };
    exactly(tf.sub(x, y), (i) => a[i] - b[i]);
    exactly(tf.mul(x, y), (i) => a[i] * b[i]);
    exactly(tf.div(x, y), (i) => a[i] / b[i]);
    exactly(tf.sub(x, 3), (i) => a[i] - 3);
    exactly(tf.mul(x, tf.tensor1d([3])), (i) => a[i] * 3);
    exactly(tf.div(x, 3), (i) => a[i] / 3);
    exactly(tf.mul(3, x), (i) => a[i] * 3);
    expect(tf.mul(tf.scalar(3), tf.tensor2d([[2]])).arraySync()).toEqual([[6]]);
    expect(tf.mul(tf.tensor1d([2]), tf.tensor2d([[3]])).arraySync()).toEqual([[6]]);
  });
  expect(tf.memory().numTensors).toBe(before);
});

test("sums of other shapes and types are tfjs's", () => {
  tf.tidy(() => {
    expect(
      tf
        .add(
          tf.tensor2d([
            [1, 2],
            [3, 4],
          ]),
          tf.tensor1d([10, 20]),
        )
        .arraySync(),
    ).toEqual([
      [11, 22],
      [13, 24],
    ]);
    expect(tf.add(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32')).dtype).toBe('int32');
    expect(tf.mul(tf.tensor1d([], 'float32'), 2).arraySync()).toEqual([]);
  });
});
