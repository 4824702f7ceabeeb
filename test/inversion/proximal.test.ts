import * as tf from '@tensorflow/tfjs';
import { ProximalGuidance } from '../../src/inversion/proximal';
import { Trajectory } from '../../src/inversion/trajectory';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { cases, golden } from './fixture';

useBackend();

test.each(Object.keys(cases.proximal))('%s: the prediction and the region are the authors’', async (name) => {
  const before = tf.memory().numTensors;
  const { proximal: norm, quantile } = cases.proximal[name];
  const [unconditional, conditional, prediction, kept] = await Promise.all(
    ['unconditional', 'conditional', 'prediction', 'kept'].map((part) => golden(`proximal.${name}.${part}`)),
  );
  const ones = tf.ones([2, 6, 5, 4]) as tf.Tensor4D;
  const trajectory = Trajectory.from(ones);
  const guidance = new ProximalGuidance({
    norm,
    ...(quantile < 0 ? { threshold: -quantile } : { quantile }),
    goBack: { trajectory },
  });
  const guided = tf.tidy(() => guidance.guide(conditional, { conditional, unconditional }, { prompts: [0, 1] }));
  expect(await deviation(guided, prediction)).toBeLessThan(1e-5);

  const latents = tf.zerosLike(conditional) as tf.Tensor4D;
  const early = tf.tidy(() => guidance.back.onLatents!(latents, { step: 0, steps: 1, timestep: 400 }));
  const late = tf.tidy(() => guidance.back.onLatents!(latents, { step: 0, steps: 1, timestep: 399 }));
  expect(await deviation(late, kept)).toBe(0);
  expect(early).toBe(latents);
  guidance.back.end!();
  for (const one of [unconditional, conditional, prediction, kept, ones, trajectory, guided, latents, late])
    one.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
