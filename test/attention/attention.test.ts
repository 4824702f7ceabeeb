import * as tf from '@tensorflow/tfjs';
import { Attention } from '../../src/attention/attention';
import type { AttentionController, Stage } from '../../src/attention/controller';
import { scaledDotProduct } from '../../src/attention/scaledDotProduct';
import { Scope } from '../../src/nn/scope';
import { TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';
import { evaluation } from './mapLayer';

useBackend();

test('attention in chunks of queries equals attention at once', () => {
  const [q, k, v] = [1, 2, 3].map((seed) => tf.randomNormal([2, 2, 12, 4], 0, 1, 'float32', seed) as tf.Tensor4D);
  const before = tf.memory().numTensors;
  const whole = scaledDotProduct({ q, k, v });
  const chunked = scaledDotProduct({ q, k, v }, 2 * 2 * 12 * 5);
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(tf.max(tf.abs(tf.sub(whole, chunked))).dataSync()[0]).toBeLessThan(1e-6);
});

test('a layer whose maps are laid out gives what it gives otherwise, and shows all of its stages', () => {
  const generator = new TorchGenerator(1);
  const scope = new Scope('mid_block.attn2');
  const layer = new Attention(scope, {
    kind: 'cross',
    place: 'mid',
    queryDim: 12,
    contextDim: 10,
    heads: 3,
    headSize: 4,
  });
  for (const parameter of scope.parameters.values()) parameter.assign(generator.randn(parameter.shape));
  const hidden = tf.tensor3d(generator.randn([2, 6, 12]), [2, 6, 12]);
  const context = tf.tensor3d(generator.randn([2, 5, 10]), [2, 5, 10]);
  const grid = { height: 2, width: 3 };

  const seen: Partial<Record<Stage, number[]>> = {};
  const note = <T extends tf.Tensor>(stage: Stage, x: T): T => {
    seen[stage] = x.shape;
    return x;
  };
  const controller: AttentionController = {
    wants: ({ site, keys }) =>
      site.path === 'mid_block.attn2' && keys === 5 ? ['qkv', 'logits', 'probs', 'output'] : [],
    onQkv: (qkv) => ({ ...qkv, k: note('qkv', qkv.k) }),
    onLogits: (logits) => note('logits', logits),
    onProbs: (probs) => note('probs', probs),
    onOutput: (output) => note('output', output),
  };
  const before = tf.memory().numTensors;
  const free = layer.forward(hidden, context, grid);
  const shown = layer.forward(hidden, context, grid, { controller, evaluation: evaluation({ prompts: 1 }) });
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(tf.max(tf.abs(tf.sub(free, shown))).dataSync()[0]).toBeLessThan(1e-5);
  expect(seen).toEqual({ qkv: [2, 3, 5, 4], logits: [2, 3, 6, 5], probs: [2, 3, 6, 5], output: [2, 6, 12] });
});
