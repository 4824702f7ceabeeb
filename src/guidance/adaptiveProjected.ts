import * as tf from '@tensorflow/tfjs';
import { classifierFree } from './classifierFree';
import type { Guidance } from './guidance';

export interface AdaptiveProjectedOptions {
  /** How much of the parallel part to keep, from 0 (none, the default) to 1 (classifier-free guidance). */
  readonly eta?: number;
  /** The largest norm of the difference between the two predicted pictures; longer ones are scaled. Default: any. */
  readonly norm?: number;
}

/**
 * Adaptive projected guidance (Sadat et al. 2024, arXiv 2410.02416, algorithm 1, without momentum): classifier-free
 * guidance multiplies the difference between what is predicted for the prompt and for the negative prompt. The part of
 * it that is parallel to the picture predicted for the prompt mostly saturates colours; here that part is left out, so
 * that strong guidance does not burn pictures out.
 *
 * @param scale for all prompts, or one per prompt, as in {@link classifierFree}
 * @throws RangeError if there is no scale, or a number is out of range
 */
export function adaptiveProjected(
  scale: number | readonly number[],
  { eta = 0, norm }: AdaptiveProjectedOptions = {},
): Guidance {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta is ${eta}: it must be from 0 to 1.`);
  if (norm !== undefined && !(norm > 0)) throw new RangeError(`norm is ${norm}: it must be over 0.`);
  const plain = classifierFree(scale);
  if (plain.rows.length === 0) return plain;
  return {
    name: `adaptiveProjected(${[[scale].flat(), eta, ...(norm === undefined ? [] : [`norm ${norm}`])].join(', ')})`,
    rows: plain.rows,
    guide(prediction, predictions, call) {
      const { conditional, unconditional } = predictions;
      const picture = call.original(conditional);
      let difference: tf.Tensor = tf.sub(conditional, unconditional);
      if (norm !== undefined) {
        const ofPictures = tf.sub(picture, call.original(unconditional));
        difference = tf.mul(
          difference,
          tf.minimum(1, tf.div(norm, tf.sqrt(aboveZero(product(ofPictures, ofPictures))))),
        );
      }
      // Differences of predictions and of pictures are proportional: what is parallel in one is parallel in the other.
      const share = tf.div(product(difference, picture), aboveZero(product(picture, picture)));
      const projected = tf.sub(difference, tf.mul(picture, tf.mul(share, 1 - eta)));
      return plain.guide(prediction, { ...predictions, unconditional: tf.sub(conditional, projected) }, call);
    },
  };
}

/** The inner product of each row with the other's. @returns [rows, 1, 1, 1] */
function product(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.sum(tf.mul(a, b), [1, 2, 3], true);
}

/** So that nothing is divided by zero. */
function aboveZero(squared: tf.Tensor): tf.Tensor {
  return tf.maximum(squared, 1e-24);
}
