import * as tf from '@tensorflow/tfjs';
import { randomLatents, type TorchGenerator } from './noise';
import { predictedNoise, predictedOriginal, thresholdSample } from './prediction';
import type { Sampler } from './sampler';
import { alphasCumprod, checkTimesteps, linspace, roundHalfEven, trailingTimesteps } from './schedule';
import type { DDIMConfig } from './schedulerConfig';

/** Denoising diffusion implicit models (Song et al. 2020, arXiv 2010.02502), as diffusers' `DDIMScheduler`. */
export class DDIMSampler implements Sampler {
  readonly timesteps: readonly number[];
  private readonly alphasCumprod: Float32Array;

  /**
   * @param eta how much fresh noise each step adds, from 0 to 1; over 0 it needs a generator
   * @throws RangeError if `steps` or `eta` is out of range, or the schedule cannot be walked
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
        `At timestep ${this.timesteps[0]} there is nothing but noise (rescale_betas_zero_snr): from a network that predicts noise (epsilon) no picture can be had there.`,
      );
    }
    if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta is ${eta}: it must be from 0 to 1.`);
    if (eta > 0 && !generator) throw new RangeError(`eta is ${eta}: a generator is needed for the noise it adds.`);
  }

  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const { num_train_timesteps, prediction_type } = this.config;
      const timestep = this.timesteps[index];
      const now = this.alphaCumprod(timestep);
      const next = this.alphaCumprod(timestep - Math.floor(num_train_timesteps / this.steps));
      const level = { alpha: now ** 0.5, sigma: (1 - now) ** 0.5 };

      const original = this.clipped(predictedOriginal(prediction_type, prediction, latents, level));
      const noise = predictedNoise(prediction_type, prediction, latents, level);
      const deviation = this.eta * (((1 - next) / (1 - now)) * (1 - Math.fround(now / next))) ** 0.5;
      const direction = tf.mul(noise, (1 - next - deviation ** 2) ** 0.5);
      const stepped = tf.add(tf.mul(original, next ** 0.5), direction) as tf.Tensor4D;
      return this.eta > 0 ? tf.add(stepped, tf.mul(this.freshNoise(latents.shape), deviation)) : stepped;
    });
  }

  end(): void {}

  /** Before the first timestep there is the picture: no noise, or the least that training knew. */
  private alphaCumprod(timestep: number): number {
    if (timestep >= 0) return this.alphasCumprod[timestep];
    return this.config.set_alpha_to_one ? 1 : this.alphasCumprod[0];
  }

  private clipped(original: tf.Tensor4D): tf.Tensor4D {
    const { thresholding, clip_sample, clip_sample_range: range } = this.config;
    if (thresholding) return thresholdSample(original, this.config);
    return clip_sample ? tf.clipByValue(original, -range, range) : original;
  }

  /** One row for all: the rows of an edit differ in their prompts only. */
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
