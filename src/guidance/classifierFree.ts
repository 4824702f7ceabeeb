import * as tf from '@tensorflow/tfjs';
import type { Guidance } from './guidance';

/**
 * Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): the prediction goes `scale` times as far as from the
 * one with the negative prompt to the one with the prompt. At 1 or less there is the prompt alone.
 *
 * @throws RangeError if the scale is not a finite number
 */
export function classifierFree(scale: number): Guidance {
  if (!Number.isFinite(scale)) throw new RangeError(`The guidance is ${scale}: it must be a finite number.`);
  if (scale <= 1) return { name: 'classifierFree(1)', rows: [], guide: (prediction) => prediction };
  return {
    name: `classifierFree(${scale})`,
    rows: [{ role: 'unconditional', text: 'negative' }],
    guide: (prediction, { conditional, unconditional }) => {
      const guided = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale));
      // What guidances before this one have added stays.
      return tf.add(guided, tf.sub(prediction, conditional));
    },
  };
}
