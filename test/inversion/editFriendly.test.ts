import * as tf from '@tensorflow/tfjs';
import { EditFriendlyNoise } from '../../src/inversion/editFriendly';
import { createSampler } from '../../src/sampler/createSampler';
import type { DDIMSampler } from '../../src/sampler/ddim';
import { denoise, type Predict } from '../../src/sampler/denoise';
import { TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { cases, golden, openWith } from './fixture';

useBackend();

test("finds the authors' noise maps, and their steps lead back to the picture", async () => {
  const before = tf.memory().numTensors;
  const { picture, prompt, scheduler, guidance } = cases.noise.square;
  const pipe = await openWith(scheduler);
  const sampler = createSampler(pipe.scheduler, { steps: cases.steps }) as DDIMSampler;
  const latents = await golden(`latents.${picture}`);
  const context = pipe.encode(['', prompt]);
  const predict: Predict = (x, timestep) => {
    const [empty, prompted] = tf.split(pipe.unet.forward(tf.concat([x, x]), timestep, context), 2) as tf.Tensor4D[];
    return tf.add(empty, tf.mul(tf.sub(prompted, empty), guidance));
  };
  const maps = new EditFriendlyNoise(sampler, latents, new TorchGenerator(8888));
  const xts = await golden('noise.square.xts');
  const zs = await golden('noise.square.zs');

  for await (const { step, latents } of denoise({ sampler: maps.finding, latents: maps.noisiest, predict })) {
    const expected = tf.slice(xts, cases.steps - 1 - step, 1);
    expect(await deviation(latents, expected)).toBeLessThan(1e-4);
    expected.dispose();
  }
  const found = tf.concat([...maps.maps].reverse());
  expect(await deviation(found, zs)).toBeLessThan(1e-3);

  const { noise, sampler: following } = maps.from(4);
  let last = 1;
  for await (const { step, latents } of denoise({ sampler: following, latents: noise, predict })) {
    const expected = tf.slice(xts, cases.steps - 5 - step, 1);
    last = await deviation(latents, expected);
    if (step < cases.steps - 5) expect(last).toBeLessThan(1e-3);
    expected.dispose();
  }
  // The last step adds no noise: what DDPM would have added is missing.
  expect(last).toBeLessThan(1);
  for (const one of [pipe, latents, context, xts, zs, found, maps]) one.dispose();
  expect(tf.memory().numTensors).toBe(before);
}, 600_000);

test('no more steps are skipped than there are', () => {
  const picture = tf.zeros([1, 2, 2, 4]) as tf.Tensor4D;
  const sampler = createSampler({ file: 'scheduler', json: {} }, { steps: 5 }) as DDIMSampler;
  const maps = new EditFriendlyNoise(sampler, picture, new TorchGenerator(0));
  for (const skip of [5, -1, 0.5]) expect(() => maps.from(skip)).toThrow(RangeError);
  picture.dispose();
  maps.dispose();
});
