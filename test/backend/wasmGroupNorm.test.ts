import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { registerWasmGroupNorm } from '../../src/backend/wasmGroupNorm';
import { GroupNorm } from '../../src/nn/groupNorm';
import { Scope } from '../../src/nn/scope';

beforeAll(async () => {
  registerWasmGroupNorm();
  registerWasmGroupNorm();
  await tf.setBackend('wasm');
});

test.each([[[2, 5, 3, 12], 4, 0], [[1, 1, 1, 6], 3, 0], [[3, 8, 8, 10], 1, 20], [[1, 4, 4, 5], 5, -3]])(
  'group norm of %p in %p groups around %p equals that in tfjs\'s operations and leaves nothing behind', (shape, groups, mean) => {
    const scope = new Scope();
    const norm = new GroupNorm(scope, groups, shape[3], 1e-5);
    for (const parameter of scope.parameters.values()) parameter.assign(tf.tidy(() => tf.randomNormal([shape[3]]).dataSync() as Float32Array));
    const x = tf.tidy(() => tf.add(tf.randomNormal(shape), mean)) as tf.Tensor4D;
    const before = { tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() };
    const fast = norm.forward(x);
    expect({ tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() }).toEqual({ tensors: before.tensors + 1, data: before.data + 1 });
    // While a gradient is taken, tfjs's operations compute.
    const plain = tf.valueAndGrad((again: tf.Tensor) => norm.forward(again as tf.Tensor4D))(x, fast).value;
    expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(2e-5);
  });
