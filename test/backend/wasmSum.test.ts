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
  [[3, 5], 0],
  [[3, 5], -2],
  [[2, 4, 256, 32], 1],
  [[2, 4, 9, 7], 1],
  [[2, 3, 3], 2],
  [
    [2, 3, 4],
    [0, 1],
  ],
  [[4], 0],
  [[1, 3, 0], 1],
  [[3, 4], undefined],
])('sums of %j along %j', async (shape, axis) => {
  await expectAsOnCpu(() => tf.tidy(() => tf.sum(counted(shape), axis)));
  await expectAsOnCpu(() => tf.tidy(() => tf.sum(counted(shape), axis, true)));
  await expectAsOnCpu(() => tf.tidy(() => tf.sum(counted(shape, 'int32'), axis)));
});

test('sums of nothing are 0', () => {
  expect(
    tf.tidy(() => [tf.sum(tf.ones([0, 3]), 0), tf.sum(tf.ones([2, 0, 2]), 1)].map((sum) => sum.arraySync())),
  ).toEqual([
    [0, 0, 0],
    [
      [0, 0],
      [0, 0],
    ],
  ]);
});
