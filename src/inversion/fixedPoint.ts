import * as tf from '@tensorflow/tfjs';
import type { Predict } from '../sampler/denoise';
import type { InverseSampler, Sampler } from '../sampler/sampler';
import { walkUp } from './ddim';
import { checkIterations, type InversionTask, type Inverted } from './method';

/**
 * Inversion by fixed-point iteration (AIDI, Pan et al. 2023, arXiv 2309.04907; ReNoise, Garibi et al. 2024, arXiv
 * 2403.14602): DDIM's inverse step evaluates the network at the latents it starts from, instead of those it leads to.
 * Here the network is evaluated again where the step led, by default three times in all. Without guidance the picture
 * is then reconstructed.
 */
export async function fixedPoint(task: InversionTask): Promise<Inverted> {
  const { iterations = 3 } = task;
  const trajectory = await walkUp(task, (inverse, session) =>
    iterated(inverse, (latents, _, step) => session().predict(latents, step), iterations),
  );
  return { trajectory, options: { noise: trajectory.noise } };
}

/**
 * An inverse sampler whose steps evaluate the network again where they led.
 *
 * @param predict the loop's own
 * @param iterations evaluations of the network per step; 1 is plain DDIM inversion
 * @throws RangeError if `iterations` is not a whole number of at least 1, or the sampler cannot refine its steps
 */
export function iterated(inverse: InverseSampler, predict: Predict, iterations: number): Sampler {
  const { timesteps, refine } = inverse;
  checkIterations(iterations);
  if (!refine)
    throw new RangeError(
      'Fixed-point inversion needs ddim: this sampler evaluates the network at the start of its steps.',
    );
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
