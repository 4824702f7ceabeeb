import * as tf from '@tensorflow/tfjs';
import type { Guidance } from './guidance';

/**
 * Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): the prediction for the negative prompt plus `scale`
 * times its difference to the one for the prompt. At 1 or less only the prompt is used.
 *
 * @param scale for all prompts, or one per prompt; the last one also applies to any further prompts
 * @throws RangeError if there is no scale, or one is not a finite number
 */
export function classifierFree(scale: number | readonly number[]): Guidance {
  const scales = [scale].flat();
  const wrong = scales.find((one) => !Number.isFinite(one));
  if (wrong !== undefined) throw new RangeError(`The guidance is ${wrong}: it must be a finite number.`);
  if (scales.length === 0)
    throw new RangeError('There is no scale of guidance: give one for all prompts, or one for each.');
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
      // Keeps what earlier guidances have added.
      return tf.add(guided, tf.sub(prediction, conditional));
    },
  };
}
