import * as tf from '@tensorflow/tfjs';
import type { Predict } from '../sampler/denoise';
import type { InverseSampler, Sampler } from '../sampler/sampler';
import { walkUp } from './ddim';
import type { InversionTask, Inverted } from './method';

/**
 * Inversion by fixed-point iteration (AIDI, Pan et al. 2023, arXiv 2309.04907; ReNoise, Garibi et al. 2024, arXiv
 * 2403.14602): DDIM's inverse step asks the network at the latents that it starts from, instead of those that it leads
 * to. Here the network is asked again where the step led, three times by default. Without guidance the picture is then
 * reconstructed.
 */
export async function fixedPoint(task: InversionTask): Promise<Inverted> {
  const { iterations = 3 } = task;
  const trajectory = await walkUp(task, (inverse, session) =>
    iterated(inverse, (latents, _, step) => session().predict(latents, step), iterations),
  );
  return { trajectory, options: { noise: trajectory.noise } };
}

/**
 * An inverse sampler whose steps ask the network again where they led.
 *
 * @param predict the one that the loop has
 * @param iterations how often the network is asked in a step; once is DDIM inversion
 * @throws RangeError if it is no whole number from 1 on, or the sampler asks the network where its steps begin
 */
export function iterated(inverse: InverseSampler, predict: Predict, iterations: number): Sampler {
  const { timesteps, refine } = inverse;
  if (!(Number.isInteger(iterations) && iterations > 0))
    throw new RangeError(`The number of iterations is ${iterations}: it must be a whole number from 1 on.`);
  if (!refine)
    throw new RangeError('Fixed-point inversion is for ddim: this sampler asks the network where its steps begin.');
  return {
    timesteps,
    step: (prediction, index, latents) =>
      tf.tidy(() => {
        let next = inverse.step(prediction, index, latents);
        for (let i = 1; i < iterations; i++)
          next = refine(predict(next, timesteps[index], index), index, latents, next);
        return next;
      }),
    end: () => inverse.end?.(),
  };
}
