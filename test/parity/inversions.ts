import * as tf from '@tensorflow/tfjs';
import { fixedPoint } from '../../src/inversion/fixedPoint';
import { Trajectory } from '../../src/inversion/trajectory';
import type { StableDiffusionPipeline } from '../../src/pipeline';
import { denoise, type Predict } from '../../src/sampler/denoise';
import { createSampler, type SamplerName } from '../../src/sampler/sampler';
import { alphasCumprod } from '../../src/sampler/schedule';
import type { DDIMConfig } from '../../src/sampler/schedulerConfig';
import { cases, golden, openWith, predictorOf } from '../inversion/fixture';
import { type Comparison, largestOf, PARITY } from './comparison';

/** The way of pictures to noise, on the small checkpoint: see test/fixtures/inversion.py. */
export const inversions: readonly Comparison[] = [
  ...Object.entries(cases.inversions).flatMap(([name, { picture, prompt, scheduler }]) =>
    [undefined, 1].map((iterations) => ({
      part: iterations ? 'fixed-point inversion, once' : 'DDIM inversion',
      name,
      most: PARITY,
      largest: async () =>
        largestOf([
          await trajectoryOf(await openWith(scheduler), { picture, prompt, iterations }),
          await golden(`trajectory.${name}`),
        ]),
    })),
  ),
  ...Object.entries(cases.witnesses).map(([name, { class_name, picture, prompt, config }]) => ({
    part: "diffusers' inverse schedulers",
    name,
    most: PARITY,
    async largest() {
      const pipe = await openWith(config);
      const sampler = class_name === 'DDIMInverseScheduler' ? 'ddim' : 'dpm++';
      const seen = config.prediction_type === 'v_prediction' ? asSeenByDiffusers(config as DDIMConfig) : undefined;
      return largestOf([await trajectoryOf(pipe, { picture, prompt, sampler, seen }), await golden(`witness.${name}`)]);
    },
  })),
];

/** The whole trajectory of a picture; the pipeline is disposed. */
async function trajectoryOf(
  pipe: StableDiffusionPipeline,
  {
    picture,
    prompt,
    sampler = 'ddim',
    iterations,
    seen = (predict) => predict,
  }: {
    picture: string;
    prompt: string;
    sampler?: SamplerName;
    iterations?: number;
    seen?: (predict: Predict) => Predict;
  },
): Promise<tf.Tensor4D> {
  const latents = await golden(`latents.${picture}`);
  const network = predictorOf(pipe, prompt);
  const predict = seen(network.predict);
  const inverse = createSampler(pipe.scheduler, { sampler, steps: cases.steps }).inverse!();
  const trajectory = await Trajectory.of(
    latents,
    denoise({ sampler: iterations ? fixedPoint(inverse, predict, iterations) : inverse, latents, predict }),
  );
  const tensor = trajectory.tensor();
  for (const one of [trajectory, network, latents, pipe]) one.dispose();
  return tensor;
}

/**
 * diffusers takes a velocity for one at the noise level of the latents; here it is one at the level of the timestep
 * that the network is told, so that what it says can be refined. The velocity there of the noise that diffusers sees.
 */
function asSeenByDiffusers(config: DDIMConfig): (predict: Predict) => Predict {
  const products = alphasCumprod(config);
  const level = (timestep: number) => {
    const product = timestep < 0 ? 1 : products[timestep];
    return { alpha: product ** 0.5, sigma: (1 - product) ** 0.5 };
  };
  return (predict) => (latents, timestep, step) => {
    const [told, actual] = [level(timestep), level(timestep - config.num_train_timesteps / cases.steps)];
    return tf.tidy(() => {
      const velocity = predict(latents, timestep, step);
      const noise = tf.add(tf.mul(velocity, actual.alpha), tf.mul(latents, actual.sigma));
      return tf.div(tf.sub(noise, tf.mul(latents, told.sigma)), told.alpha);
    });
  };
}
