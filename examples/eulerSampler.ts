/** A custom sampler: Euler's method over noise levels (Karras et al. 2022, arXiv 2206.00364, algorithm 1). */
import * as tf from '@tensorflow/tfjs';
import type { Sampler } from 'prompt-to-prompt-tfjs';

/** Stable Diffusion's cumulative products of alphas: how much of the picture is left at each training timestep. */
function alphasCumprod(): number[] {
  const [first, last] = [0.00085 ** 0.5, 0.012 ** 0.5];
  let product = 1;
  return Array.from({ length: 1000 }, (_, i) => (product *= 1 - (first + (i / 999) * (last - first)) ** 2));
}

/** For networks that predict noise: `pipe.generate(prompts, { sampler: eulerSampler(20) })`. */
export function eulerSampler(steps: number): Sampler {
  const alphas = alphasCumprod();
  const timesteps = Array.from({ length: steps }, (_, i) => (steps - 1 - i) * Math.floor(1000 / steps) + 1);
  const levels = [...timesteps, 0].map((timestep) => {
    const alpha = Math.sqrt(alphas[timestep]);
    return { alpha, sigma: Math.sqrt(1 - alphas[timestep]) / alpha };
  });
  return {
    name: `euler(${steps})`,
    timesteps,
    step: (prediction, index, latents) =>
      tf.tidy(() => {
        const [now, next] = [levels[index], levels[index + 1]];
        const moved = tf.add(tf.div(latents, now.alpha), tf.mul(prediction, next.sigma - now.sigma));
        return tf.mul(moved, next.alpha);
      }),
  };
}
