import * as tf from '@tensorflow/tfjs';
import type { Predict } from './denoise';

/**
 * Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): the network is asked without the prompts and with
 * them, in one batch, and the prediction goes `scale` times as far as from the one to the other. At scale 1 only the
 * rows with prompts are asked.
 *
 * @param network takes [2 x rows, height, width, channels], the rows without prompts first, then those with them
 * @returns a prediction for [rows, height, width, channels]
 */
export function guided(network: Predict, scale: number): Predict {
  if (scale === 1) return network;
  return (latents, timestep, step) =>
    tf.tidy(() => {
      const both = network(tf.concat([latents, latents]), timestep, step);
      const [unconditional, conditional] = tf.split(both, 2) as [tf.Tensor4D, tf.Tensor4D];
      return tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale));
    });
}
