import * as tf from '@tensorflow/tfjs';
import { randomLatents, type TorchGenerator } from './noise';
import { levelOf, predictedNoise, predictedOriginal, thresholdSample } from './prediction';
import type { InverseSampler, Sampler } from './sampler';
import { alphasCumprod, checkTimesteps, linspace, roundHalfEven, trailingTimesteps } from './schedule';
import type { SchedulerConfig } from './schedulers';

export type DDIMConfig = SchedulerConfig<'ddim'>;

/** Denoising diffusion implicit models (Song et al. 2020, arXiv 2010.02502), like diffusers' `DDIMScheduler`. */
export class DDIMSampler implements Sampler {
  readonly timesteps: readonly number[];
  private readonly alphasCumprod: Float32Array;

  /**
   * @param eta how much fresh noise each step adds, from 0 to 1; if over 0, a generator is needed
   * @throws RangeError if `steps` or `eta` is out of range, or the schedule is not possible
   */
  constructor(
    readonly config: DDIMConfig,
    private readonly steps: number,
    private readonly eta = 0,
    private readonly generator?: TorchGenerator,
  ) {
    this.alphasCumprod = alphasCumprod(config);
    this.timesteps = timesteps(config, steps);
    checkTimesteps(this.timesteps, this.alphasCumprod.length);
    if (config.prediction_type === 'epsilon' && this.alphasCumprod[this.timesteps[0]] === 0) {
      throw new RangeError(
        `At timestep ${this.timesteps[0]} there is only noise (rescale_betas_zero_snr): a network that predicts noise (epsilon) determines no picture there.`,
      );
    }
    if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta is ${eta}: it must be from 0 to 1.`);
    if (eta > 0 && !generator) throw new RangeError(`eta is ${eta}: a generator is needed for the noise it adds.`);
  }

  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const { mean, deviation } = this.posterior(prediction, index, latents);
      return this.eta > 0 ? tf.add(mean, tf.mul(this.freshNoise(latents.shape), deviation)) : mean;
    });
  }

  /**
   * The normal distribution a step samples from. `mean` has the latents' shape; the caller disposes of it.
   *
   * @param eta default: the sampler's own; at 1 the step is DDPM's
   */
  posterior(
    prediction: tf.Tensor4D,
    index: number,
    latents: tf.Tensor4D,
    eta = this.eta,
  ): { readonly mean: tf.Tensor4D; readonly deviation: number } {
    const { prediction_type } = this.config;
    const { now, next } = this.products(index);
    const level = levelOf(now);
    const deviation = eta * (((1 - next) / (1 - now)) * (1 - Math.fround(now / next))) ** 0.5;
    const mean = tf.tidy(() => {
      const original = this.clipped(predictedOriginal(prediction_type, prediction, latents, level));
      const noise = predictedNoise(prediction_type, prediction, latents, level);
      const direction = tf.mul(noise, (1 - next - deviation ** 2) ** 0.5);
      return tf.add(tf.mul(original, next ** 0.5), direction) as tf.Tensor4D;
    });
    return { mean, deviation };
  }

  /**
   * Noises a picture's latents to the level before a step (diffusers' `add_noise`).
   *
   * @param original [rows, height, width, channels] @param noise of the same shape @returns latents of the same shape.
   *   The caller disposes of them.
   */
  addNoise(original: tf.Tensor4D, noise: tf.Tensor4D, index: number): tf.Tensor4D {
    const { alpha, sigma } = levelOf(this.products(index).now);
    return tf.tidy(() => tf.add(tf.mul(original, alpha), tf.mul(noise, sigma)));
  }

  /** The timestep of the latents that a step leads to; 0 at the end. */
  timestepAfter(index: number): number {
    return Math.max(0, this.timesteps[index] - this.stride);
  }

  /**
   * How far the latents after a step would move if the predicted noise in that step were different.
   *
   * @param difference the difference between two predictions of the network for the latents after the step; of their
   *   shape
   * @returns a tensor of the same shape. The caller disposes of it.
   */
  moveAfter(difference: tf.Tensor4D, index: number): tf.Tensor4D {
    const { now, next } = this.products(index);
    const { prediction_type } = this.config;
    // Where there is no noise, a network that predicts the picture gives no noise estimate.
    if (prediction_type === 'sample' && next === 1) return tf.zerosLike(difference);
    const move = (1 - next) ** 0.5 - (((1 - now) * next) / now) ** 0.5;
    return tf.tidy(() =>
      tf.mul(predictedNoise(prediction_type, difference, tf.zerosLike(difference), levelOf(next)), move),
    );
  }

  /**
   * Like diffusers' `DDIMInverseScheduler`.
   *
   * @throws RangeError for steps that add fresh noise, which cannot be undone
   */
  inverse(): InverseSampler {
    if (this.eta > 0)
      throw new RangeError(`eta is ${this.eta}: a step that adds fresh noise cannot be undone. Invert at eta 0.`);
    const timesteps = [...this.timesteps].reverse();
    const refine: InverseSampler['refine'] = (prediction, index, latents, shown) =>
      this.undo(prediction, timesteps.length - 1 - index, latents, shown);
    return {
      timesteps,
      step: (prediction, index, latents) => refine!(prediction, index, latents, latents),
      refine,
    };
  }

  /**
   * The latents from which a step with this prediction would lead to `latents`.
   *
   * @param shown the latents that the network was evaluated on, at the step's timestep
   */
  private undo(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D, shown: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const { prediction_type } = this.config;
      const { now, next } = this.products(index);
      const [noisier, level] = [levelOf(now), levelOf(next)];
      if (prediction_type === 'sample' && level.sigma === 0)
        throw new RangeError(
          'A network that predicts the picture (sample) determines no noise at a timestep without any (set_alpha_to_one): it cannot be inverted.',
        );
      const noise =
        prediction_type === 'sample'
          ? predictedNoise(prediction_type, prediction, latents, level)
          : predictedNoise(prediction_type, prediction, shown, noisier);
      const original = this.clipped(predictedOriginal('epsilon', noise, latents, level));
      return tf.add(tf.mul(original, noisier.alpha), tf.mul(noise, noisier.sigma));
    });
  }

  /** The cumulative products of alphas before and after a step: how much of the picture is left. */
  private products(index: number): { now: number; next: number } {
    const timestep = this.timesteps[index];
    return { now: this.alphaCumprod(timestep), next: this.alphaCumprod(timestep - this.stride) };
  }

  private get stride(): number {
    return Math.floor(this.config.num_train_timesteps / this.steps);
  }

  /** Below timestep 0 is the picture itself: without noise, or with the lowest level seen in training. */
  private alphaCumprod(timestep: number): number {
    if (timestep >= 0) return this.alphasCumprod[timestep];
    return this.config.set_alpha_to_one ? 1 : this.alphasCumprod[0];
  }

  private clipped(original: tf.Tensor4D): tf.Tensor4D {
    const { thresholding, clip_sample, clip_sample_range: range } = this.config;
    if (thresholding) return thresholdSample(original, this.config);
    return clip_sample ? tf.clipByValue(original, -range, range) : original;
  }

  /** One row for all, because the rows of an edit differ only in their prompts. */
  private freshNoise([, height, width, channels]: number[]): tf.Tensor4D {
    return randomLatents(this.generator!, { height, width, channels });
  }
}

function timesteps(
  { num_train_timesteps: total, timestep_spacing, steps_offset }: DDIMConfig,
  steps: number,
): number[] {
  switch (timestep_spacing) {
    case 'leading': {
      const ratio = Math.floor(total / steps);
      return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + steps_offset);
    }
    case 'linspace':
      return linspace(0, total - 1, steps)
        .map(roundHalfEven)
        .reverse();
    case 'trailing':
      return trailingTimesteps(total, total / steps);
  }
}
