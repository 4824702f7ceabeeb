import * as tf from '@tensorflow/tfjs';
import { gelu, quickGelu, silu } from '../../src/nn/activations';
import { Conv2d, type Conv2dOptions } from '../../src/nn/conv2d';
import { Embedding } from '../../src/nn/embedding';
import { GroupNorm } from '../../src/nn/groupNorm';
import { LayerNorm } from '../../src/nn/layerNorm';
import { JoinedLinear, Linear } from '../../src/nn/linear';
import { Scope } from '../../src/nn/scope';
import { sequence } from '../../src/nn/sequence';
import { upsampleNearest } from '../../src/nn/upsample';
import { useBackend } from '../backend';

useBackend();

const random = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** A layer whose parameters hold random numbers; `values` has them as the checkpoint would. */
function withWeights<L>(make: (scope: Scope) => L): { layer: L; values: Record<string, Float32Array> } {
  const scope = new Scope();
  const layer = make(scope);
  const values: Record<string, Float32Array> = {};
  [...scope.parameters.values()].forEach((parameter, i) => {
    // From 1: to tfjs a seed of 0 is none.
    values[parameter.name] = random([...parameter.shape], i + 1).dataSync<'float32'>();
    parameter.assign(values[parameter.name]);
  });
  return { layer, values };
}

function expectClose(actual: tf.Tensor, expected: ArrayLike<number>, tolerance = 1e-5): void {
  const numbers = actual.dataSync();
  expect(numbers).toHaveLength(expected.length);
  numbers.forEach((number, i) => expect(Math.abs(number - expected[i])).toBeLessThan(tolerance));
}

/** Holds f's gradient to the slope between two points near by. */
function expectGradient(f: (x: tf.Tensor4D) => tf.Tensor4D, x: tf.Tensor4D): void {
  const weights = random(f(x).shape, 91);
  const loss = (at: tf.Tensor) => tf.sum(tf.mul(f(at as tf.Tensor4D), weights)) as tf.Scalar;
  const direction = random(x.shape, 92);
  const gradient = tf.grad(loss)(x);
  const slope = tf.sum(tf.mul(gradient, direction)).dataSync()[0];
  const h = 1e-2;
  const [ahead, behind] = [h, -h].map((step) => loss(tf.add(x, tf.mul(direction, step))).dataSync()[0]);
  // Against the gradient's length, as a slope that happens to be small is not known as well.
  expect(Math.abs(slope - (ahead - behind) / (2 * h))).toBeLessThan(0.005 * tf.norm(gradient).dataSync()[0]);
}

describe('JoinedLinear', () => {
  const scope = new Scope();
  const joined = new JoinedLinear([scope.at('to_q'), scope.at('to_k')], 3, 2);
  const [q, k] = [...scope.parameters.values()];

  test('needs all of its parts, lays their results side by side, and has no memory for them twice', () => {
    expect([q.name, k.name]).toEqual(['to_q.weight', 'to_k.weight']);
    k.assign(Float32Array.of(7, 8, 9, 10, 11, 12));
    const x = tf.tensor3d([1, 0, 0, 0, 1, 0], [1, 2, 3]);
    expect(() => joined.forward(x)).toThrow('Parameter to_q.weight has no value');
    const before = tf.memory();
    q.assign(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes + 6 * 4);
    expect(joined.forward(x).arraySync()).toEqual([
      [
        [1, 4, 7, 10],
        [2, 5, 8, 11],
      ],
    ]);
  });

  test('gives a part back as it lies in memory, takes in a new one, and frees all', () => {
    expect(k.value.arraySync()).toEqual([
      [7, 10],
      [8, 11],
      [9, 12],
    ]);
    k.assign(new Float32Array(6));
    expect(joined.forward(tf.tensor2d([[1, 0, 0]])).arraySync()).toEqual([[1, 4, 0, 0]]);
    const before = tf.memory().numTensors;
    for (const part of [q, k]) part.dispose();
    expect(tf.memory().numTensors).toBe(before - 1);
    expect(() => q.value).toThrow('no value');
  });

  test('has the gradient of the product', () => {
    q.assign(Float32Array.of(1, 2, 3, 4, 5, 6));
    k.assign(Float32Array.of(7, 8, 9, 10, 11, 12));
    expect(
      tf
        .grad((x: tf.Tensor) => tf.sum(joined.forward(x)))(tf.ones([1, 3]))
        .arraySync(),
    ).toEqual([[22, 26, 30]]);
  });
});

describe('Conv2d', () => {
  const [rows, height, width, inChannels, outChannels] = [2, 5, 6, 3, 4];
  const x = () => random([rows, height, width, inChannels], 7) as tf.Tensor4D;

  function naive(
    kernel: number,
    stride: number,
    [before, after]: readonly [number, number],
    { weight, bias }: Record<string, Float32Array>,
  ): number[] {
    const at = x().arraySync();
    const out: number[] = [];
    for (let n = 0; n < rows; n++)
      for (let top = -before; top + kernel <= height + after; top += stride)
        for (let left = -before; left + kernel <= width + after; left += stride) {
          for (let o = 0; o < outChannels; o++) {
            let sum = bias[o];
            for (let i = 0; i < inChannels; i++)
              for (let dy = 0; dy < kernel; dy++)
                for (let dx = 0; dx < kernel; dx++) {
                  sum +=
                    (at[n][top + dy]?.[left + dx]?.[i] ?? 0) *
                    weight[((o * inChannels + i) * kernel + dy) * kernel + dx];
                }
            out.push(sum);
          }
        }
    return out;
  }

  test.each<[number, Conv2dOptions]>([
    [1, {}],
    [3, {}],
    [3, { padding: 1 }],
    [3, { stride: 2, padding: 1 }],
    [3, { stride: 2, padding: [0, 1] }],
  ])('kernel %i, %j', (kernel, options) => {
    const { layer, values } = withWeights((scope) => new Conv2d(scope, inChannels, outChannels, kernel, options));
    const input = x();
    const before = tf.memory().numTensors;
    const y = layer.forward(input);
    expect(tf.memory().numTensors).toBe(before + 1);
    const { stride = 1, padding = 0 } = options;
    expectClose(y, naive(kernel, stride, typeof padding === 'number' ? [padding, padding] : padding, values));
    expectGradient((at) => layer.forward(at), input);
  });
});

describe('GroupNorm', () => {
  test('gives every group of channels of every row mean 0 and variance 1, then scales and shifts the channels', () => {
    const { layer, values } = withWeights((scope) => new GroupNorm(scope, 2, 6, 1e-5));
    const x = tf.add(tf.mul(random([2, 3, 4, 6], 5), 3), 10) as tf.Tensor4D;
    const before = tf.memory().numTensors;
    const y = layer.forward(x);
    expect(tf.memory().numTensors).toBe(before + 1);

    const expected = x.arraySync().flatMap((row) => {
      const groups = [0, 1].map((group) => row.flat().flatMap((pixel) => pixel.slice(3 * group, 3 * group + 3)));
      const means = groups.map((numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length);
      const variances = groups.map(
        (numbers, group) => numbers.reduce((sum, number) => sum + (number - means[group]) ** 2, 0) / numbers.length,
      );
      return row.flat().flatMap((pixel) =>
        pixel.map((number, c) => {
          const group = Math.floor(c / 3);
          return ((number - means[group]) / Math.sqrt(variances[group] + 1e-5)) * values.weight[c] + values.bias[c];
        }),
      );
    });
    expectClose(y, expected, 1e-4);
    expectGradient((at) => layer.forward(at), x);
  });

  test('keeps its precision where the mean is far from 0', () => {
    const { layer, values } = withWeights((scope) => new GroupNorm(scope, 1, 2, 1e-5));
    const y = layer.forward(tf.tensor4d([1000, 1001, 999, 1000], [1, 1, 2, 2]));
    const normal = Math.sqrt(1 / (0.5 + 1e-5));
    const { weight, bias } = values;
    expectClose(y, [bias[0], normal * weight[1] + bias[1], -normal * weight[0] + bias[0], bias[1]], 1e-3);
  });

  test('refuses groups of unequal size', () => {
    expect(() => new GroupNorm(new Scope('mid.norm'), 4, 6, 1e-5)).toThrow(
      'mid.norm: 6 channels cannot be split into 4 groups of equal size',
    );
  });
});

test('LayerNorm gives every vector mean 0 and variance 1, then scales and shifts its features', () => {
  const {
    layer,
    values: { weight, bias },
  } = withWeights((scope) => new LayerNorm(scope, 3, 1e-3));
  const before = tf.memory().numTensors;
  const y = layer.forward(tf.tensor3d([1, 2, 6, -1, 0, 1], [1, 2, 3]));
  expect(tf.memory().numTensors).toBe(before + 2);
  const expected = [
    [1, 2, 6],
    [-1, 0, 1],
  ].flatMap((vector) => {
    const mean = vector.reduce((sum, number) => sum + number) / 3;
    const variance = vector.reduce((sum, number) => sum + (number - mean) ** 2, 0) / 3;
    return vector.map((number, i) => ((number - mean) / Math.sqrt(variance + 1e-3)) * weight[i] + bias[i]);
  });
  expectClose(y, expected);
  expectGradient((at) => layer.forward(at), random([1, 2, 2, 3], 3) as tf.Tensor4D);
});

test.each([2, 3, 4])('Linear works on the last of %i axes', (rank) => {
  const {
    layer,
    values: { weight, bias },
  } = withWeights((scope) => new Linear(scope, 2, 3));
  const lead = Array<number>(rank - 2).fill(1);
  const before = tf.memory().numTensors;
  const y = layer.forward(tf.tensor([1, 2, 3, 4], [...lead, 2, 2]));
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(y.shape).toEqual([...lead, 2, 3]);
  expectClose(
    y,
    [
      [1, 2],
      [3, 4],
    ].flatMap(([a, b]) => [0, 1, 2].map((out) => a * weight[2 * out] + b * weight[2 * out + 1] + bias[out])),
  );
});

test('Linear can do without bias, and has a gradient', () => {
  const {
    layer,
    values: { weight },
  } = withWeights((scope) => new Linear(scope, 2, 1, { bias: false }));
  expectClose(layer.forward(tf.tensor2d([[1, 10]])), [weight[0] + 10 * weight[1]]);
  expectGradient((at) => layer.forward(at), random([1, 3, 2, 2], 3) as tf.Tensor4D);
});

test('Embedding looks vectors up', () => {
  const {
    layer,
    values: { weight },
  } = withWeights((scope) => new Embedding(scope, 3, 2));
  const before = tf.memory().numTensors;
  const y = layer.forward([
    [2, 0],
    [0, 0],
  ]);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(y.shape).toEqual([2, 2, 2]);
  expectClose(
    y,
    [2, 0, 0, 0].flatMap((id) => [...weight.slice(2 * id, 2 * id + 2)]),
  );
  for (const id of [-1, 3, 0.5]) expect(() => layer.forward([[0, id]])).toThrow(`weight: id ${id} is not from 0 to 2`);
});

describe('activations', () => {
  const x = [-8, -3, -1, -0.1, 0, 0.1, 1, 3, 8];
  test.each([
    // By PyTorch in float64.
    [
      'silu',
      silu,
      [-0.002682801, -0.14227762, -0.268941421, -0.047502081, 0, 0.052497919, 0.731058579, 2.85772238, 7.997317199],
    ],
    ['gelu', gelu, [-4.885e-15, -0.004049694, -0.158655254, -0.046017216, 0, 0.053982784, 0.841344746, 2.995950306, 8]],
    [
      'quickGelu',
      quickGelu,
      [-9.766e-6, -0.01807131, -0.154204234, -0.045755242, 0, 0.054244758, 0.845795766, 2.98192869, 7.999990234],
    ],
  ])('%s', (_, activation, expected) => {
    const input = tf.tensor1d(x);
    const before = tf.memory().numTensors;
    const y = activation(input);
    expect(tf.memory().numTensors).toBe(before + 1);
    expectClose(y, expected, 2e-6);
    expectGradient(activation, random([1, 2, 2, 2], 1) as tf.Tensor4D);
  });
});

describe('upsampleNearest', () => {
  const x = () => tf.tensor4d([1, 2, 3, 4, 5, 6], [1, 2, 3, 1]);
  test('doubles', () => {
    expectClose(upsampleNearest(x()), [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6]);
  });
  test('reaches odd sizes', () => {
    expectClose(upsampleNearest(x(), [3, 5]), [1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6]);
  });

  test.each([
    [4, 6],
    [3, 5],
  ] as const)('has a gradient, to %i x %i', (height, width) => {
    expectGradient((at) => upsampleNearest(at, [height, width]), random([2, 2, 3, 2], 3) as tf.Tensor4D);
  });
});

describe('sequence', () => {
  test('frees what lies between the input and the result', () => {
    const x = tf.scalar(2);
    const before = tf.memory().numTensors;
    const y = sequence(
      x,
      (a) => tf.mul(a, 3),
      { forward: <T extends tf.Tensor>(a: T): T => tf.square(a) },
      (a) => a,
    );
    expect(y.dataSync()[0]).toBe(36);
    expect(x.isDisposed).toBe(false);
    expect(tf.memory().numTensors).toBe(before + 1);
  });

  test('without layers gives the input back', () => {
    const x = tf.scalar(2);
    expect(sequence(x)).toBe(x);
  });
});
