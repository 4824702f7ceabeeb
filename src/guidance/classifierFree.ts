import * as tf from '@tensorflow/tfjs';
import type { Guidance } from './guidance';

/**
 * Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): the prediction goes `scale` times as far as from the
 * one with the negative prompt to the one with the prompt. At 1 or less there is the prompt alone.
 *
 * @param scale of all prompts; or one for each, of which the last holds for all after it
 * @throws RangeError if a scale is not a finite number
 */
export function classifierFree(scale: number | readonly number[]): Guidance {
  const scales = [scale].flat();
  const wrong = scales.find((one) => !Number.isFinite(one));
  if (wrong !== undefined || scales.length === 0)
    throw new RangeError(`The guidance is ${wrong}: it must be a finite number.`);
  const factors = (prompts: readonly number[]): number | tf.Tensor4D => {
    if (scales.length === 1) return scales[0];
    const ofEach = prompts.map((prompt) => scales[Math.min(prompt, scales.length - 1)]);
    return tf.tensor4d(ofEach, [prompts.length, 1, 1, 1]);
  };
  if (scales.every((one) => one <= 1))
    return { name: 'classifierFree(1)', rows: [], guide: (prediction) => prediction };
  return {
    name: `classifierFree(${scales.join(', ')})`,
    rows: [{ role: 'unconditional', text: 'negative' }],
    guide: (prediction, { conditional, unconditional }, { prompts }) => {
      const guided = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), factors(prompts)));
      // What guidances before this one have added stays.
      return tf.add(guided, tf.sub(prediction, conditional));
    },
  };
}
