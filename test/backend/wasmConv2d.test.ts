import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { prepareWasm } from '../../src/backend/wasmKernels';
import { Conv2d, type Conv2dOptions } from '../../src/nn/conv2d';
import { Scope } from '../../src/nn/scope';
import { plainly } from './plainly';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

const OPTIONS: readonly (readonly [number, Conv2dOptions])[] = [
  [3, { padding: 1 }],
  [1, {}],
  [3, {}],
  [3, { stride: 2, padding: 1 }],
  [3, { stride: 2, padding: [0, 1] }],
  [5, { padding: 2 }],
];
const SHAPES = [
  [2, 9, 7, 4, 16],
  [1, 5, 6, 3, 5],
  [3, 5, 5, 17, 1],
  [2, 13, 9, 36, 44],
];

test.each(OPTIONS.flatMap(([size, options]) => SHAPES.map((shape) => [size, options, shape] as const)))(
  "a filter of %p with %p over %p and its gradient are as in tfjs's operations and leave nothing behind",
  (size, options, [rows, height, width, inChannels, outChannels]) => {
    const scope = new Scope();
    const conv = new Conv2d(scope, inChannels, outChannels, size, options);
    for (const parameter of scope.parameters.values())
      parameter.assign(tf.tidy(() => tf.randomNormal([...parameter.shape]).dataSync() as Float32Array));
    const x = tf.randomNormal<tf.Rank.R4>([rows, height, width, inChannels]);
    const before = tf.memory().numTensors;
    const fast = conv.forward(x);
    expect(tf.memory().numTensors).toBe(before + 1);
    const plain = plainly(() => conv.forward(x));
    expect(fast.shape).toEqual(plain.shape);
    expect(tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0]).toBeLessThan(1e-4);

    const gradient = (): tf.Tensor => tf.grad((at: tf.Tensor) => tf.square(conv.forward(at as tf.Tensor4D)))(x);
    const [count, ofFast, ofPlain] = [tf.memory().numTensors, gradient(), plainly(gradient)];
    expect(tf.memory().numTensors).toBe(count + 2);
    expect(tf.max(tf.abs(tf.sub(ofFast, ofPlain))).dataSync()[0]).toBeLessThan(
      1e-3 * tf.max(tf.abs(ofPlain)).dataSync()[0],
    );
  },
);
