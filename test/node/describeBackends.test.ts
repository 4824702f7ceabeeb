import * as tf from '@tensorflow/tfjs';
import { chooseBackend } from '../../src/node/backend';
import { type BackendDescription, recommendBackend } from '../../src/node/describeBackends';

afterAll(() => {
  tf.removeBackend('wasm');
});

const there = (name: 'node' | 'wasm'): BackendDescription => ({
  name,
  info: { name, versions: {}, threads: 2 },
  gflops: { matMul: 1, conv2d: 1 },
});
const missing: BackendDescription = { name: 'node', missing: 'not there' };

test('native kernels are taken where they are there, else wasm for what fits into its memory', () => {
  expect(recommendBackend([there('node'), there('wasm')], 5e7).name).toBe('node');
  expect(recommendBackend([missing, there('wasm')], 5e7).name).toBe('wasm');
  const tooBig = recommendBackend([missing, there('wasm')], 4.3e9);
  expect(tooBig.name).toBeUndefined();
  expect(tooBig.why).toMatch(/4 GiB.*p2p native install/);
});

test('a backend asked for is started as asked for', async () => {
  const info = await chooseBackend('wasm', { threads: 1 });
  expect(info).toEqual({ name: 'wasm', threads: 1, versions: { '@tensorflow/tfjs-backend-wasm': '4.22.0' } });
  expect(tf.getBackend()).toBe('wasm');
});
