import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { counted, expectAsOnCpu } from './asOnCpu';

beforeAll(async () => {
  jest.spyOn(console, 'warn').mockImplementation(); // tfjs's advice against its backend in JavaScript
  prepareWasm();
  await tf.setBackend('wasm');
});

test.each([
  [
    [
      [2, 3, 5],
      [2, 3, 7],
    ],
    2,
  ],
  [
    [
      [2, 3, 5],
      [2, 3, 7],
    ],
    -1,
  ],
  [
    [
      [1, 4],
      [3, 4],
      [2, 4],
    ],
    0,
  ],
  [
    [
      [2, 1, 3, 2],
      [2, 6, 3, 2],
    ],
    1,
  ],
  [
    [
      [64, 64, 33],
      [64, 64, 64],
    ],
    2,
  ],
  [[[3], [0], [5]], 0],
  [[[40000], [1]], 0],
])('%j side by side along axis %d', async (shapes, axis) => {
  await expectAsOnCpu(() =>
    tf.tidy(() =>
      tf.concat(
        shapes.map((shape) => counted(shape)),
        axis,
      ),
    ),
  );
});

test.each([
  [
    [4, 5, 6],
    [1, 0, 0],
    [2, 5, 6],
  ],
  [
    [4, 5, 6],
    [0, 2, 0],
    [4, 3, 6],
  ],
  [
    [4, 5, 6],
    [0, 0, 5],
    [-1, -1, 1],
  ],
  [
    [4, 5, 6],
    [1, 2, 3],
    [2, 2, 2],
  ],
  [
    [4, 5],
    [0, 0],
    [4, 5],
  ],
  [
    [2, 90, 90, 8],
    [0, 0, 0, 4],
    [2, 90, 90, 4],
  ],
  [[7], [2], [0]],
])('of %j from %j on, %j', async (shape, begin, size) => {
  await expectAsOnCpu(() => tf.tidy(() => tf.slice(counted(shape), begin, size)));
});

test.each([
  [
    [2, 3, 4, 5],
    [6, 8],
  ],
  [
    [1, 2, 3, 4],
    [2, 9],
  ],
  [
    [1, 2, 2, 3],
    [3, 3],
  ],
  [
    [2, 4, 4, 1],
    [2, 2],
  ],
  [
    [1, 16, 16, 33],
    [32, 32],
  ],
])('%j enlarged to %j by repeating pixels', async (shape, size) => {
  for (const [alignCorners, halfPixelCenters] of [
    [false, false],
    [false, true],
    [true, false],
  ]) {
    await expectAsOnCpu(() =>
      tf.tidy(() =>
        tf.image.resizeNearestNeighbor(
          counted(shape) as tf.Tensor4D,
          size as [number, number],
          alignCorners,
          halfPixelCenters,
        ),
      ),
    );
  }
});

test('numbers in reverse, along one axis and along several', async () => {
  for (const axis of [0, 1, 2, [0, 2]]) await expectAsOnCpu(() => tf.tidy(() => tf.reverse(counted([3, 2, 5]), axis)));
  await expectAsOnCpu(() => tf.tidy(() => tf.reverse(counted([4], 'int32'))));
});

test('a clone stays when what it was made of goes, and the other way round', () => {
  const x = tf.tensor1d([1, 2, 3]);
  const [first, second] = [tf.clone(x), tf.clone(x)];
  first.dispose();
  x.dispose();
  const other = tf.tensor1d([7, 7, 7]); // Where x was, if it was nobody's.
  expect([...second.dataSync()]).toEqual([1, 2, 3]);
  tf.dispose([second, other]);
});

test('whole numbers', async () => {
  await expectAsOnCpu(() => tf.tidy(() => tf.slice(counted([3, 4], 'int32'), [0, 1], [3, 2])));
  await expectAsOnCpu(() => tf.tidy(() => tf.concat([counted([3, 4], 'int32'), counted([1, 4], 'int32')], 0)));
});

test('both have their gradients', () => {
  const x = counted([3, 4]) as tf.Tensor2D;
  const slope = tf.grad((at) => tf.sum(tf.mul(tf.concat([tf.slice(at, [0, 1], [3, 2]), at], 1), 2)))(x);
  expect(slope.arraySync()).toEqual([
    [2, 4, 4, 2],
    [2, 4, 4, 2],
    [2, 4, 4, 2],
  ]);
});
