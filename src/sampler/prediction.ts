import * as tf from '@tensorflow/tfjs';
import type { SchedulerConfig } from './schedulers';

/** Latents at one noise level are `alpha` x picture + `sigma` x noise, with alpha^2 + sigma^2 = 1. */
export interface NoiseLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/** @param product the cumulative product of alphas at a timestep, `alphas_cumprod` */
export function levelOf(product: number): NoiseLevel {
  return { alpha: product ** 0.5, sigma: (1 - product) ** 0.5 };
}

/** The picture without noise that the network predicts. @returns [rows, height, width, channels], the latents' shape */
export function predictedOriginal(
  type: SchedulerConfig['prediction_type'],
  prediction: tf.Tensor4D,
  latents: tf.Tensor4D,
  { alpha, sigma }: NoiseLevel,
): tf.Tensor4D {
  switch (type) {
    case 'epsilon':
      return tf.div(tf.sub(latents, tf.mul(prediction, sigma)), alpha);
    case 'v_prediction':
      return tf.sub(tf.mul(latents, alpha), tf.mul(prediction, sigma));
    case 'sample':
      return prediction;
  }
}

/** The noise that the network predicts. @returns [rows, height, width, channels], the latents' shape */
export function predictedNoise(
  type: SchedulerConfig['prediction_type'],
  prediction: tf.Tensor4D,
  latents: tf.Tensor4D,
  { alpha, sigma }: NoiseLevel,
): tf.Tensor4D {
  switch (type) {
    case 'epsilon':
      return prediction;
    case 'v_prediction':
      return tf.add(tf.mul(prediction, alpha), tf.mul(latents, sigma));
    case 'sample':
      return tf.div(tf.sub(latents, tf.mul(prediction, alpha)), sigma);
  }
}

/**
 * Dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, section 2.3): each row is clipped at a quantile of its
 * absolute values (at least 1, at most `sample_max_value`) and divided by it.
 */
export function thresholdSample(
  sample: tf.Tensor4D,
  { dynamic_thresholding_ratio: ratio, sample_max_value: max }: SchedulerConfig,
): tf.Tensor4D {
  return tf.tidy(() => {
    const [rows] = sample.shape;
    const quantiles = quantile(tf.reshape(tf.abs(sample), [rows, -1]), ratio);
    const limit = tf.reshape(tf.minimum(tf.maximum(quantiles, 1), max), [rows, 1, 1, 1]);
    return tf.div(tf.minimum(tf.maximum(sample, tf.neg(limit)), limit), limit);
  });
}

/** A quantile of each row, linearly interpolated, like `torch.quantile`. @param x [rows, numbers] @returns [rows, 1] */
export function quantile(x: tf.Tensor2D, ratio: number): tf.Tensor2D {
  const rank = Math.fround(Math.fround(ratio) * (x.shape[1] - 1));
  const below = Math.floor(rank);
  const largest = tf.topk(x, x.shape[1] - below).values;
  const at = (index: number): tf.Tensor2D => tf.slice(largest, [0, x.shape[1] - 1 - index], [-1, 1]);
  const low = at(below);
  return tf.add(low, tf.mul(tf.sub(at(Math.ceil(rank)), low), rank - below));
}
