import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from 'prompt-to-prompt-tfjs';
import type { Mask } from './protocol';

/** Keeps an edit to what was painted: elsewhere, from a fifth of the steps on as in local blend, the targets' latents are the source's. */
export function brushedMask(mask: Mask): AttentionController {
  return {
    wants: () => [],
    onLatents: (latents, { step, steps }) => {
      if (step < Math.trunc(0.2 * steps)) return latents;
      const [, height, width, channels] = latents.shape;
      const source = tf.slice(latents, [0, 0, 0, 0], [1, height, width, channels]);
      return tf.add(source, tf.mul(tf.tensor4d([...mask], [1, height, width, 1]), tf.sub(latents, source)));
    },
  };
}
