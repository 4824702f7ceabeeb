import * as tf from '@tensorflow/tfjs';
import { chooseBackend } from '../../src/node/backend';

afterAll(() => {
  tf.removeBackend('wasm');
});

test('more threads than the backend computes on are a warning', async () => {
  const warnings: string[] = [];
  const info = await chooseBackend('cpu', { threads: 2, warn: (message) => warnings.push(message) });
  expect(info.threads).toBe(1);
  expect(warnings).toEqual(['cpu computes on at most 1 thread, not on 2.']);
});

test('where threads cannot be had, one computes, with a warning that says why', async () => {
  jest.spyOn(WebAssembly, 'compile').mockRejectedValueOnce(new Error('no shared memory here'));
  const warnings: string[] = [];
  const info = await chooseBackend('wasm', { threads: 2, warn: (message) => warnings.push(message) });
  expect(info.threads).toBe(1);
  expect(warnings).toEqual(['wasm runs on one thread here: no shared memory here']);
  const product = tf.tidy(() => tf.matMul(tf.ones([3, 5]), tf.ones([5, 2])).dataSync());
  expect(Array.from(product)).toEqual([5, 5, 5, 5, 5, 5]);
});
