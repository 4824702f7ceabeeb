/** A custom guidance: rescaled classifier-free guidance (Lin et al. 2023, arXiv 2305.08891, section 3.4). */
import * as tf from '@tensorflow/tfjs';
import { classifierFree, type Guidance } from 'prompt-to-prompt-tfjs';

/**
 * Classifier-free guidance whose result is rescaled to the standard deviation of the conditional prediction, so that
 * strong guidance does not oversaturate pictures.
 *
 * @param share 0 is plain guidance, 1 is full rescaling
 */
export function rescaledGuidance(scale: number, share = 0.7): Guidance {
  const plain = classifierFree(scale);
  return {
    name: `rescaledGuidance(${scale}, ${share})`,
    rows: plain.rows,
    guide(prediction, predictions, call) {
      const guided = plain.guide(prediction, predictions, call);
      const [wanted, has] = [predictions.conditional, guided].map((x) => tf.moments(x, [1, 2, 3], true).variance);
      const rescaled = tf.mul(guided, tf.sqrt(tf.div(wanted, has)));
      return tf.add(tf.mul(rescaled, share), tf.mul(guided, 1 - share));
    },
  };
}
