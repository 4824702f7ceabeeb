import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { GroupNorm } from '../../src/nn/groupNorm';
import { LayerNorm } from '../../src/nn/layerNorm';
import { Scope } from '../../src/nn/scope';
import { plainly } from './plainly';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

const fill = (scope: Scope): void => {
  for (const parameter of scope.parameters.values())
    parameter.assign(tf.tidy(() => tf.randomNormal([...parameter.shape]).dataSync() as Float32Array));
};

/** The gradient for a random one of the result, against the same in tfjs's operations. */
function expectGradientAsPlain(layer: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): void {
  tf.tidy(() => {
    const dy = tf.randomNormal(x.shape);
    const before = tf.memory().numTensors;
    const fast = tf.grad(layer)(x, dy);
    expect(tf.memory().numTensors).toBe(before + 1);
    const plain = plainly(() => tf.grad(layer)(x, dy));
    expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(5e-5);
  });
}

test.each([
  [[2, 5, 3, 12], 4, 0],
  [[1, 1, 1, 6], 3, 0],
  [[3, 8, 8, 10], 1, 20],
  [[1, 4, 4, 5], 5, -3],
  [[2, 20, 20, 96], 16, 2],
])(
  "group norm of %p in %p groups around %p equals that in tfjs's operations and leaves nothing behind",
  (shape, groups, mean) => {
    const scope = new Scope();
    const norm = new GroupNorm(scope, groups, shape[3], 1e-5);
    fill(scope);
    const x = tf.tidy(() => tf.add(tf.randomNormal(shape), mean)) as tf.Tensor4D;
    const before = { tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() };
    const fast = norm.forward(x);
    expect({ tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() }).toEqual({
      tensors: before.tensors + 1,
      data: before.data + 1,
    });
    const plain = plainly(() => norm.forward(x));
    expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(2e-5);
    for (const layer of [norm, new GroupNorm(scope.at('silu'), groups, shape[3], 1e-5, { activation: 'silu' })]) {
      fill(scope);
      expectGradientAsPlain((at) => layer.forward(at as tf.Tensor4D), x);
    }
  },
);

test.each([
  [[2, 3, 64], 0],
  [[5, 7], 30],
  [[300, 6], -1],
  [[1, 1], 0],
])("layer norm of %p around %p equals that in tfjs's operations and leaves nothing behind", (shape, mean) => {
  const scope = new Scope();
  const norm = new LayerNorm(scope, shape[shape.length - 1]);
  fill(scope);
  const x = tf.tidy(() => tf.add(tf.randomNormal(shape), mean));
  const before = tf.memory().numTensors;
  const fast = norm.forward(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  const plain = plainly(() => norm.forward(x));
  expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(5e-5);
  expectGradientAsPlain((at) => norm.forward(at), x);
});
