import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { selfAttention } from '../../src/attention/scaledDotProduct';
import { WasmPool } from '../../src/backend/wasmPool';
import { geglu } from '../../src/nn/activations';
import { GroupNorm } from '../../src/nn/groupNorm';
import { Scope } from '../../src/nn/scope';
import { chooseBackend } from '../../src/node/backend';

beforeAll(async () => {
  await chooseBackend('wasm', { threads: 3 });
});
afterAll(() => {
  tf.removeBackend('wasm');
});

test('helpers change nothing in hundreds of jobs of all sizes, given out as fast as can be', () => {
  const pool = WasmPool.of(tf.backend() as BackendWasm);
  expect(pool.threads).toBe(3);
  const scope = new Scope();
  const norm = new GroupNorm(scope, 4, 48, 1e-5, { activation: 'silu' });
  for (const parameter of scope.parameters.values()) parameter.assign(new Float32Array(48).fill(0.5));
  const inputs = [1, 4, 8].map((side) => tf.randomNormal<tf.Rank.R4>([2, side, side, 48]));
  const results = (): number[] =>
    tf.tidy(() =>
      inputs.flatMap((x) => {
        const tokens = tf.reshape(x, [2, -1, 48]) as tf.Tensor3D;
        const product = tf.matMul(tokens, tokens, false, true);
        return [
          norm.forward(x),
          geglu(x),
          selfAttention(tokens, 2),
          product,
          tf.softmax(product),
          tf.add(x, x),
        ].flatMap((y) => [...y.dataSync()]);
      }),
    );
  pool.setHelpers(0);
  const alone = results();
  pool.setHelpers(2);
  for (let i = 0; i < 20; i++) expect(results()).toEqual(alone);
});

test('a job that goes on while JavaScript does keeps its inputs, and is finished for whoever looks at its results', () => {
  const values = Float32Array.from({ length: 200 * 512 }, (_, i) => Math.sin(i));
  const expected = tf.tidy(() => geglu(tf.tensor(values, [200, 512])).dataSync<'float32'>());
  const bytes = (numbers: Float32Array): string => Buffer.from(numbers.buffer).toString('base64');
  const negative = bytes(expected.map((value) => -value));
  for (let i = 0; i < 50; i++) {
    const x = tf.tensor(values, [200, 512]);
    const y = geglu(x);
    x.dispose();
    const others = [200 * 512, 200 * 256].map((size) => tf.ones([size])); // Where x was, if it was anybody's.
    expect(bytes(tf.tidy(() => tf.neg(y).dataSync<'float32'>()))).toBe(negative); // By a kernel of tfjs's.
    expect(bytes(y.dataSync<'float32'>())).toBe(bytes(expected));
    tf.dispose([y, others]);
  }
});

test('helpers do jobs without the thread that gives them out, also once they have slept', async () => {
  const pool = WasmPool.of(tf.backend() as BackendWasm);
  for (let round = 1; round <= 4; round++) {
    const x = tf.fill([100_000], round);
    const y = tf.add(x, x);
    const isDone = (): boolean =>
      new Float32Array(pool.memory.buffer, pool.address(y), y.size).every((value) => value === 2 * round);
    for (const end = Date.now() + 5000; !isDone() && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isDone()).toBe(true);
    tf.dispose([x, y]);
  }
});

test('more jobs than can wait for their turn, each of which needs the one before', () => {
  const doubled = tf.tidy(() => {
    let x: tf.Tensor = tf.ones([1000]);
    for (let i = 0; i < 100; i++) x = tf.add(x, x);
    return x.dataSync();
  });
  expect([...new Set(doubled)]).toEqual([2 ** 100]);
});
