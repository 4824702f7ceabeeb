import { existsSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {
  attentionLogits,
  attentionValues,
  scaledDotProduct,
  selfAttention,
} from '../../../src/attention/scaledDotProduct';
import { geglu, quickGelu, silu } from '../../../src/nn/activations';
import { Conv2d } from '../../../src/nn/conv2d';
import { GroupNorm } from '../../../src/nn/groupNorm';
import { LayerNorm } from '../../../src/nn/layerNorm';
import { Linear } from '../../../src/nn/linear';
import { Scope } from '../../../src/nn/scope';
import { chooseBackend } from '../../../src/node/backend';
import { cacheFolder } from '../../../src/node/cacheFolder';
import { nativeStatus, operationsSum } from '../../../src/node/native/install';
import { plainly } from '../../backend/plainly';
import { onlyWhere } from '../../onlyWhere';

/**
 * The operations of native/ops.cc against the same in tfjs's operations, on a machine where `p2p native install` built
 * them. Elsewhere all of it is reported as skipped.
 */
const built = existsSync(join(cacheFolder(), 'native'));
const native = onlyWhere(built, 'p2p native install was not run here');
beforeAll(async () => {
  if (built) await chooseBackend('node', { threads: 2 });
});
beforeEach(() => {
  tf.engine().startScope();
});
afterEach(() => {
  tf.engine().endScope();
});

native('the operations are those of today', async () => {
  expect((await nativeStatus())?.operations).toBe(await operationsSum());
});

/** The largest difference of what the kernel computes and what tfjs's operations do. */
function difference(layer: (...x: tf.Tensor[]) => tf.Tensor, ...x: tf.Tensor[]): number {
  const before = tf.memory().numTensors;
  const fast = layer(...x);
  expect(tf.memory().numTensors).toBe(before + 1);
  const plain = plainly(() => layer(...x));
  expect(fast.shape).toEqual(plain.shape);
  return tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0];
}

/** The same of gradients, for a random one of the result. */
function gradientDifference(layer: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): number {
  const dy = tf.randomNormal(layer(x).shape);
  const [fast, plain] = [tf.grad(layer)(x, dy), plainly(() => tf.grad(layer)(x, dy))];
  return tf.max(tf.abs(tf.sub(fast, plain))).dataSync()[0];
}

native('gradients of norms, with silu behind them and without, and of self-attention', () => {
  for (const options of [{}, { activation: 'silu' }] as const) {
    const norm = loaded((scope) => new GroupNorm(scope, 3, 21, 1e-5, options));
    for (const shape of [
      [2, 13, 7, 21],
      [1, 1, 1, 21],
    ])
      expect(gradientDifference((x) => norm.forward(x as tf.Tensor4D), tf.add(tf.randomNormal(shape), 3))).toBeLessThan(
        1e-4,
      );
  }
  const norm = loaded((scope) => new LayerNorm(scope, 37));
  expect(gradientDifference((x) => norm.forward(x), tf.add(tf.randomNormal([3, 5, 37]), 10))).toBeLessThan(1e-4);
  for (const [rows, heads, tokens, size] of [
    [2, 3, 300, 5],
    [1, 2, 70, 40],
    [1, 1, 1, 1],
  ]) {
    for (const causal of [false, true])
      expect(
        gradientDifference(
          (x) => selfAttention(x as tf.Tensor3D, heads, { causal }),
          tf.randomNormal([rows, tokens, 3 * heads * size]),
        ),
      ).toBeLessThan(1e-4);
  }
  const [qkv, dy] = [tf.randomNormal<tf.Rank.R3>([2, 70, 3 * 2 * 20]), tf.randomNormal<tf.Rank.R3>([2, 70, 2 * 20])];
  const before = tf.memory().numTensors;
  tf.grad((x: tf.Tensor) => selfAttention(x as tf.Tensor3D, 2))(qkv, dy);
  expect(tf.memory().numTensors).toBe(before + 1);
});

function loaded<L>(make: (scope: Scope) => L): L {
  const scope = new Scope();
  const layer = make(scope);
  for (const parameter of scope.parameters.values())
    parameter.assign(tf.randomNormal([...parameter.shape]).dataSync() as Float32Array);
  return layer;
}

native('group norm, with a mean far from zero and sizes that fill no block', () => {
  const norm = loaded((scope) => new GroupNorm(scope, 3, 21, 1e-5));
  expect(difference((x) => norm.forward(x as tf.Tensor4D), tf.add(tf.randomNormal([2, 13, 7, 21]), 50))).toBeLessThan(
    1e-4,
  );
  expect(difference((x) => norm.forward(x as tf.Tensor4D), tf.randomNormal([1, 1, 1, 21]))).toBeLessThan(1e-5);
});

native('layer norm', () => {
  const norm = loaded((scope) => new LayerNorm(scope, 37));
  expect(difference((x) => norm.forward(x), tf.add(tf.randomNormal([3, 5, 37]), 10))).toBeLessThan(1e-4);
});

native('group norm with silu behind it', () => {
  const norm = loaded((scope) => new GroupNorm(scope, 3, 21, 1e-5, { activation: 'silu' }));
  expect(difference((x) => norm.forward(x as tf.Tensor4D), tf.randomNormal([2, 13, 7, 21]))).toBeLessThan(1e-5);
});

native('linear layers whose tiles, panels, blocks and depths are full, and not', () => {
  for (const [rows, from, to] of [
    [14, 384, 32],
    [13, 385, 33],
    [231, 768, 96],
    [400, 800, 70],
    [337, 17, 64],
    [1, 1, 1],
    [513, 20, 9],
  ]) {
    for (const bias of [true, false]) {
      const linear = loaded((scope) => new Linear(scope, from, to, { bias }));
      expect(difference((x) => linear.forward(x), tf.randomNormal([rows, from], 0, from ** -0.5))).toBeLessThan(5e-5);
    }
  }
});

native('convolutions and linear layers, with a shift and without a bias', () => {
  const shift = tf.randomNormal<tf.Rank.R2>([1, 11]);
  for (const [kernelSize, options] of [
    [3, { padding: 1 }],
    [1, {}],
    [3, { stride: 2, padding: [0, 1] }],
  ] as const) {
    const conv = loaded((scope) => new Conv2d(scope, 5, 11, kernelSize, options));
    expect(difference((x) => conv.forward(x as tf.Tensor4D), tf.randomNormal([2, 8, 6, 5]))).toBeLessThan(1e-4);
    expect(difference((x) => conv.forward(x as tf.Tensor4D, shift), tf.randomNormal([2, 8, 6, 5]))).toBeLessThan(1e-4);
    expect(gradientDifference((x) => conv.forward(x as tf.Tensor4D), tf.randomNormal([2, 8, 6, 5]))).toBeLessThan(1e-4);
  }
  const large = loaded((scope) => new Conv2d(scope, 35, 70, 3, { padding: 1 }));
  expect(gradientDifference((x) => large.forward(x as tf.Tensor4D), tf.randomNormal([1, 9, 8, 35]))).toBeLessThan(1e-3);
  for (const shape of [
    [7, 5],
    [2, 3, 5],
    [1, 2, 3, 5],
  ]) {
    for (const bias of [true, false]) {
      const linear = loaded((scope) => new Linear(scope, 5, 11, { bias }));
      expect(difference((x) => linear.forward(x), tf.randomNormal(shape))).toBeLessThan(1e-5);
    }
  }
  expect(() => loaded((scope) => new Linear(scope, 5, 11)).forward(tf.ones([2, 4]))).toThrow(/features/);
});

native('convolutions to fewer channels, to more in several parts, of one pixel, and of no picture', () => {
  for (const [rows, side, from, to, kernelSize, options] of [
    [2, 13, 40, 3, 3, { padding: 1 }],
    [1, 9, 17, 16, 3, {}],
    [2, 7, 6, 5, 3, { padding: [1, 0] }],
    [1, 150, 20, 24, 3, { padding: 1 }],
    [2, 97, 48, 50, 3, { stride: 2, padding: [0, 1] }],
    [2, 8, 5, 7, 1, { stride: 2 }],
    [1, 1, 4, 4, 3, { padding: 1 }],
    [0, 8, 5, 7, 3, { padding: 1 }],
  ] as const) {
    const conv = loaded((scope) => new Conv2d(scope, from, to, kernelSize, options));
    const x = tf.randomNormal([rows, side, side + 1, from], 0, (kernelSize ** 2 * from) ** -0.5);
    if (rows > 0) expect(difference((again) => conv.forward(again as tf.Tensor4D), x)).toBeLessThan(5e-5);
    else expect(conv.forward(x as tf.Tensor4D).shape[0]).toBe(0);
  }
  expect(() => loaded((scope) => new Conv2d(scope, 5, 11, 3)).forward(tf.ones([1, 2, 2, 5]))).toThrow(
    /smaller than the filter/,
  );
});

// oneDNN's products keep the stack's pointer elsewhere for a while, where a signal's handler then writes.
native("large products and convolutions, while signals come at any time, as under V8's profiler", async () => {
  const profiler = new Session();
  profiler.connect();
  await profiler.post('Profiler.enable');
  await profiler.post('Profiler.setSamplingInterval', { interval: 100 });
  await profiler.post('Profiler.start');
  const linear = loaded((scope) => new Linear(scope, 128, 256));
  const conv = loaded((scope) => new Conv2d(scope, 128, 256, 1));
  const [tokens, pixels] = [tf.randomNormal([4, 256, 128]), tf.randomNormal<tf.Rank.R4>([4, 16, 16, 128])];
  for (let time = 0; time < 1000; ++time) tf.dispose([linear.forward(tokens), conv.forward(pixels)]);
  expect((await profiler.post('Profiler.stop')).profile.samples!.length).toBeGreaterThan(100);
  profiler.disconnect();
});

native(
  '3x3 convolutions of many channels, which take fewer products (native/winograd.h): odd sides, channels that fill no block',
  () => {
    const x = tf.randomNormal([2, 13, 11, 37]);
    const shift = tf.randomNormal<tf.Rank.R2>([1, 50]);
    const conv = loaded((scope) => new Conv2d(scope, 37, 50, 3, { padding: 1 }));
    expect(difference((again) => conv.forward(again as tf.Tensor4D), x)).toBeLessThan(1e-4);
    expect(difference((again) => conv.forward(again as tf.Tensor4D, shift), x)).toBeLessThan(1e-4);
    const unpadded = loaded((scope) => new Conv2d(scope, 37, 50, 3));
    expect(difference((again) => unpadded.forward(again as tf.Tensor4D), x)).toBeLessThan(1e-4);
  },
);

native('softmax', () => {
  const logits = tf.mul(tf.randomNormal([3, 5, 77]), 30);
  const exact = tf.tidy(() => {
    const e = tf.exp(tf.sub(logits, tf.max(logits, -1, true)));
    return tf.div(e, tf.sum(e, -1, true));
  });
  expect(tf.max(tf.abs(tf.sub(tf.softmax(logits), exact))).dataSync()[0]).toBeLessThan(1e-6);
  expect(Array.from(tf.softmax(tf.tensor1d([1000, 1000])).dataSync())).toEqual([0.5, 0.5]);
});

/** Attention as it is computed where a controller looks into it. */
const inSteps = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D =>
  attentionValues(tf.softmax(attentionLogits({ q, k })), v);

native('attention in steps, and the same to the last bit as in one', () => {
  for (const [rows, heads, queries, keys, size] of [
    [2, 3, 300, 600, 5],
    [1, 2, 128, 256, 40],
    [1, 1, 1, 1, 1],
    [2, 2, 5, 77, 8],
    [1, 1, 4, 4, 4],
    [1, 8, 530, 700, 20],
    [2, 4, 512, 128, 160],
  ]) {
    const q = tf.randomNormal<tf.Rank.R4>([rows, heads, queries, size]);
    const [k, v] = [0, 1].map(() => tf.randomNormal<tf.Rank.R4>([rows, heads, keys, size]));
    expect(difference((q_, k_) => attentionLogits({ q: q_ as tf.Tensor4D, k: k_ as tf.Tensor4D }), q, k)).toBeLessThan(
      1e-4,
    );
    expect(
      difference(
        (probs, v_) => attentionValues(probs as tf.Tensor4D, v_ as tf.Tensor4D),
        tf.softmax(attentionLogits({ q, k })),
        v,
      ),
    ).toBeLessThan(5e-5);
    expect(inSteps(q, k, v).dataSync()).toEqual(scaledDotProduct({ q, k, v }).dataSync());
  }
  expect(() => attentionLogits({ q: tf.ones([1, 2, 3, 4]), k: tf.ones([1, 2, 3, 5]) })).toThrow(/belong together/);
  expect(() => attentionValues(tf.ones([1, 2, 3, 4]), tf.ones([1, 2, 3, 4]))).toThrow(/belong together/);
});

native('what is computed of a picture is the same to the last bit whichever others are computed with it', () => {
  const [q, k] = [256, 77].map((tokens) => tf.randomNormal<tf.Rank.R4>([4, 2, tokens, 20]));
  const norm = loaded((scope) => new GroupNorm(scope, 3, 33, 1e-5));
  const linear = loaded((scope) => new Linear(scope, 33, 50));
  const layers: [layer: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor][] = [
    [(x) => inSteps(x as tf.Tensor4D, tf.slice(k, 0, x.shape[0]), tf.slice(k, 0, x.shape[0])), q],
    [(x) => scaledDotProduct({ q: x as tf.Tensor4D, k: tf.slice(k, 0, x.shape[0]), v: tf.slice(k, 0, x.shape[0]) }), q],
    [(x) => norm.forward(x as tf.Tensor4D), tf.randomNormal([4, 8, 9, 33])],
    [(x) => linear.forward(x), tf.randomNormal([4, 77, 33])],
    [silu, tf.randomNormal([4, 1237])],
    ...(
      [
        [3, 33, 7],
        [3, 33, 50],
        [1, 33, 50],
      ] as const
    ).map(([size, from, to]): [(x: tf.Tensor) => tf.Tensor, tf.Tensor] => {
      const conv = loaded((scope) => new Conv2d(scope, from, to, size, { padding: (size - 1) / 2 }));
      return [(x) => conv.forward(x as tf.Tensor4D), tf.randomNormal([4, 8, 9, from])];
    }),
  ];
  for (const [layer, x] of layers) {
    const whole = layer(x).dataSync();
    for (const rows of [1, 2, 3])
      expect(layer(tf.slice(x, 0, rows)).dataSync()).toEqual(whole.subarray(0, (whole.length / 4) * rows));
  }
});

native('silu, quickGelu and geglu, far out too', () => {
  const x = tf.mul(tf.randomNormal([3, 5, 34]), 40);
  for (const swish of [silu, quickGelu]) expect(difference(swish, x)).toBeLessThan(1e-4);
  expect(difference(geglu, tf.mul(x, 0.1))).toBeLessThan(1e-4);
  expect(gradientDifference(geglu, tf.mul(x, 0.1))).toBeLessThan(1e-4);
  expect(Array.from(silu(tf.tensor1d([-200, 0, 200])).dataSync())).toEqual([-0, 0, 200]);
});

native('attention over more keys and queries than a block has, and fewer', () => {
  for (const [rows, heads, queries, keys, size] of [
    [2, 3, 300, 600, 5],
    [1, 2, 128, 256, 40],
    [1, 1, 1, 1, 1],
    [2, 2, 5, 77, 8],
  ]) {
    const q = tf.mul(tf.randomNormal([rows, heads, queries, size]), 5);
    const [k, v] = [0, 1].map(() => tf.randomNormal([rows, heads, keys, size]));
    const attend = (...[q_, k_, v_]: tf.Tensor[]): tf.Tensor =>
      scaledDotProduct({ q: q_ as tf.Tensor4D, k: k_ as tf.Tensor4D, v: v_ as tf.Tensor4D });
    expect(difference(attend, q, k, v)).toBeLessThan(1e-4);
    const qkv = tf.mul(tf.randomNormal([rows, queries, 3 * heads * size]), 2);
    for (const causal of [false, true]) {
      expect(difference((x) => selfAttention(x as tf.Tensor3D, heads, { causal }), qkv)).toBeLessThan(1e-4);
    }
  }
});

/** Where the processor has tiles of bfloat16 (native/tiles.h), these are used: results have a deviation of 1. */
native('as much at once as pays for tiles: rows, columns and depths that fill them, and not', () => {
  for (const [rows, from, to] of [
    [77, 768, 768],
    [340, 333, 1111],
    [259, 400, 352],
    [64, 1280, 1280],
  ]) {
    for (const bias of [true, false]) {
      const linear = loaded((scope) => new Linear(scope, from, to, { bias }));
      expect(difference((x) => linear.forward(x), tf.randomNormal([3, rows, from], 0, from ** -0.5))).toBeLessThan(
        5e-5,
      );
    }
  }
  const pointwise = loaded((scope) => new Conv2d(scope, 333, 640, 1));
  expect(
    difference((x) => pointwise.forward(x as tf.Tensor4D), tf.randomNormal([2, 19, 17, 333], 0, 333 ** -0.5)),
  ).toBeLessThan(5e-5);
  const inParts = loaded((scope) => new Conv2d(scope, 33, 128, 3, { padding: 1 }));
  expect(
    difference((x) => inParts.forward(x as tf.Tensor4D), tf.randomNormal([1, 151, 149, 33], 0, (9 * 33) ** -0.5)),
  ).toBeLessThan(1e-4);
  for (const [rows, heads, queries, keys, size] of [
    [2, 2, 300, 1100, 52],
    [1, 3, 512, 512, 96],
    [2, 8, 1024, 77, 160],
  ]) {
    const q = tf.randomNormal([rows, heads, queries, size]);
    const [k, v] = [0, 1].map(() => tf.randomNormal([rows, heads, keys, size]));
    const attend = (...[q_, k_, v_]: tf.Tensor[]): tf.Tensor =>
      scaledDotProduct({ q: q_ as tf.Tensor4D, k: k_ as tf.Tensor4D, v: v_ as tf.Tensor4D });
    expect(difference(attend, q, k, v)).toBeLessThan(5e-5);
  }
  for (const causal of [false, true]) {
    expect(
      difference((x) => selfAttention(x as tf.Tensor3D, 3, { causal }), tf.randomNormal([2, 700, 3 * 3 * 40])),
    ).toBeLessThan(5e-5);
  }
});
