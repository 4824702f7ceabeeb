import * as tf from '@tensorflow/tfjs';
import type { Predict } from '../sampler/denoise';
import type { InverseSampler, Sampler } from '../sampler/sampler';

/**
 * Inversion by fixed-point iteration (AIDI, Pan et al. 2023, arXiv 2309.04907; ReNoise, Garibi et al. 2024, arXiv
 * 2403.14602): DDIM's inverse step asks the network at the latents that it starts from, instead of those that it leads
 * to. Here the network is asked again where the step led, until it leads back more exactly.
 *
 * @param predict the one that the loop has
 * @param iterations how often the network is asked in a step; once is DDIM inversion
 * @throws RangeError if it is no whole number from 1 on, or the sampler asks the network elsewhere
 */
export function fixedPoint(inverse: InverseSampler, predict: Predict, iterations: number): Sampler {
  const { timesteps, refine } = inverse;
  if (!(Number.isInteger(iterations) && iterations > 0))
    throw new RangeError(`The number of iterations is ${iterations}: it must be a whole number from 1 on.`);
  if (!refine)
    throw new RangeError('Fixed-point inversion is for DDIM: this sampler asks the network where its steps begin.');
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
