import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../../src/attention/attend';
import type { AttentionController, Evaluation } from '../../src/attention/controller';
import { parseUNetConfig } from '../../src/model/config';
import { UNet2DConditionModel } from '../../src/model/unet';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { testComparisons } from '../parity/testComparisons';
import { openUNet, unet } from '../parity/unet';
import { Variant } from './variant';

useBackend();

function evaluation(latents: tf.Tensor4D, timestep: number): Evaluation {
  const [rows, height, width] = latents.shape;
  return {
    step: 0,
    steps: 1,
    timestep,
    latents: { height, width },
    rows: Array.from({ length: rows }, (_, prompt) => ({ prompt, role: 'conditional' })),
  };
}

testComparisons(unet);

test('sites are named by the checkpoint, in the order in which an evaluation comes by', async () => {
  const { unet, latents, context, timestep } = await openUNet('unet-mixed');
  const asked: string[] = [];
  const controller: AttentionController = {
    wants: ({ site }) => {
      asked.push(site.path);
      return [];
    },
  };
  unet.forward(latents, timestep, context, { controller, evaluation: evaluation(latents, timestep) });
  expect(unet.sites.map((site) => site.path)).toEqual(asked);

  const inCheckpoint = [...unet.parameters.keys()]
    .filter((key) => key.endsWith('.to_q.weight'))
    .map((key) => key.replace('.to_q.weight', ''));
  expect([...asked].sort()).toEqual(inCheckpoint.sort());
  for (const { path, kind, place } of unet.sites) {
    expect(path.endsWith(kind === 'self' ? '.attn1' : '.attn2')).toBe(true);
    expect(path.startsWith(place)).toBe(true);
  }
});

test('a site says how its channels fall into heads, and a call which grid its queries lie on', async () => {
  const { unet, latents, context, timestep } = await openUNet('unet-sd2');
  const seen = new Map<string, string>();
  const controller: AttentionController = {
    wants({ site, grid, keys }) {
      seen.set(
        site.path.replace(/\.attentions.*attn/, ' attn'),
        `${site.heads} x ${site.headSize}, ${grid.height} x ${grid.width}, ${keys} keys`,
      );
      return [];
    },
  };
  unet.forward(latents, timestep, context, { controller, evaluation: evaluation(latents, timestep) });
  expect(Object.fromEntries(seen)).toEqual({
    'down_blocks.0 attn1': '1 x 8, 10 x 14, 140 keys',
    'down_blocks.0 attn2': '1 x 8, 10 x 14, 7 keys',
    'down_blocks.1 attn1': '2 x 6, 5 x 7, 35 keys',
    'down_blocks.1 attn2': '2 x 6, 5 x 7, 7 keys',
    'mid_block attn1': '4 x 4, 3 x 4, 12 keys',
    'mid_block attn2': '4 x 4, 3 x 4, 7 keys',
    'up_blocks.1 attn1': '2 x 6, 5 x 7, 35 keys',
    'up_blocks.1 attn2': '2 x 6, 5 x 7, 7 keys',
    'up_blocks.2 attn1': '1 x 8, 10 x 14, 140 keys',
    'up_blocks.2 attn2': '1 x 8, 10 x 14, 7 keys',
  });
});

test('hooks that change nothing change nothing', async () => {
  const { unet, latents, context, timestep } = await openUNet('unet-sd1');
  const controller: AttentionController = {
    wants: () => ['qkv', 'logits', 'probs', 'output'],
    onQkv: (qkv) => qkv,
    onLogits: (logits) => logits,
    onProbs: (probs) => probs,
    onOutput: (output) => output,
  };
  const before = tf.memory().numTensors;
  const plain = unet.forward(latents, timestep, context);
  const hooked = unet.forward(latents, timestep, context, { controller, evaluation: evaluation(latents, timestep) });
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(await deviation(hooked, plain)).toBeLessThan(1e-5);
});

test('a hook that throws leaves no tensor behind', async () => {
  const { unet, latents, context, timestep } = await openUNet('unet-sd1');
  let calls = 0;
  const controller: AttentionController = {
    wants: () => ['probs'],
    onProbs: (probs) => {
      if (++calls === 20) throw new Error('stop');
      return probs;
    },
  };
  const before = tf.memory().numTensors;
  expect(() =>
    unet.forward(latents, timestep, context, { controller, evaluation: evaluation(latents, timestep) }),
  ).toThrow('stop');
  expect(tf.memory().numTensors).toBe(before);
});

describe.each(['no controller', 'hooks'])('the gradient with %s', (how) => {
  const hooks: AttentionController = { wants: () => ['probs'], onProbs: (probs) => tf.mul(probs, 1.01) };

  test('with respect to the context and the latents is that of finite differences', async () => {
    const { unet, latents, context, timestep } = await openUNet('unet-mixed');
    const control: AttentionControl | undefined =
      how === 'hooks' ? { controller: hooks, evaluation: evaluation(latents, timestep) } : undefined;
    const output = (c: tf.Tensor, x: tf.Tensor) => unet.forward(x as tf.Tensor4D, timestep, c as tf.Tensor3D, control);
    const loss = (c: tf.Tensor, x: tf.Tensor) => tf.sum(tf.square(output(c, x))) as tf.Scalar;

    const before = tf.memory().numTensors;
    const [ofContext, ofLatents] = tf.grads(loss)([context, latents]);
    expect(tf.memory().numTensors).toBe(before + 2);

    const [none, noise] = [
      [context, latents].map((x) => tf.zerosLike(x)),
      [context, latents].map(({ shape }, i) => tf.randomNormal(shape, 0, 1, 'float32', 1 + i)),
    ]; // To tfjs, 0 is no seed.
    const along = [ofContext, ofLatents].map((gradient) => tf.div(gradient, tf.sqrt(tf.mean(tf.square(gradient)))));
    for (const [c, x] of [
      [noise[0], none[1]],
      [none[0], noise[1]],
      [along[0], none[1]],
      [none[0], along[1]],
    ]) {
      const h = 1e-2;
      // Summed up in double precision.
      const at = (side: number) =>
        output(tf.add(context, tf.mul(c, side * h)), tf.add(latents, tf.mul(x, side * h)))
          .dataSync<'float32'>()
          .reduce((sum, value) => sum + value ** 2, 0);
      const expected = (at(1) - at(-1)) / (2 * h);
      const slope = tf.add(tf.sum(tf.mul(ofContext, c)), tf.sum(tf.mul(ofLatents, x))).dataSync()[0];
      expect(slope / expected).toBeCloseTo(1, 2);
    }
  });
});

test('what does not fit is refused before anything is computed', async () => {
  const { unet, latents, context, timestep } = await openUNet('unet-mixed');
  const wrong = (x: tf.Tensor4D, c: tf.Tensor3D) => () => unet.forward(x, timestep, c);
  expect(wrong(tf.zeros([3, 8, 8, 4]), context)).toThrow('latents of 5 channels, not [3,8,8,4]');
  expect(wrong(latents, tf.zeros([3, 7, 5]))).toThrow('contexts of 6 features, not [3,7,5]');
  expect(wrong(tf.slice(latents, 0, 2), context)).toThrow('2 rows of latents do not match 3 rows of context');
});

test('a network without its weights says so, and can be loaded again after it was disposed of', async () => {
  const variant = new Variant('unet-mixed');
  const before = tf.memory().numTensors;
  const unet = new UNet2DConditionModel(parseUNetConfig(variant.config));
  expect(() => unet.forward(tf.zeros([1, 4, 4, 5]), 1, tf.zeros([1, 2, 6]))).toThrow('load a checkpoint');
  await variant.load('unet', unet);
  unet.dispose();
  expect(tf.memory().numTensors).toBe(before + 2);
  await variant.load('unet', unet);
  unet.dispose();
});
