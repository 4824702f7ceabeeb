/** Perturbed-attention guidance (Ahn et al. 2024, arXiv 2403.17377). */
import * as tf from '@tensorflow/tfjs';
import { type Guidance, replaceRows, rowsOf } from 'prompt-to-prompt-tfjs';

/**
 * Guides the prediction away from what the network predicts if, in some layers, each place attends only to itself. To
 * combine it with classifier-free guidance: `guidance: [classifierFree(7.5), perturbedAttention(3)]`.
 *
 * @param layers the checkpoint path whose self-attention layers are perturbed
 */
export function perturbedAttention(scale = 3, layers = 'mid_block'): Guidance {
  return {
    name: `perturbedAttention(${scale}, ${layers})`,
    rows: [{ role: 'perturbed', text: 'prompt' }],
    guide: (prediction, { conditional, perturbed }) =>
      tf.add(prediction, tf.mul(tf.sub(conditional, perturbed), scale)),
    controller: {
      name: 'perturbedAttention',
      wants: (call) => {
        const { kind, path } = call.site;
        return kind === 'self' && path.startsWith(layers) && rowsOf('perturbed', call).length > 0 ? ['probs'] : [];
      },
      onProbs(probs, call) {
        const [, heads, queries] = probs.shape;
        const itself = tf.tile(tf.reshape(tf.eye(queries), [1, 1, queries, queries]), [1, heads, 1, 1]);
        return replaceRows(probs, new Map(rowsOf('perturbed', call).map(({ row }) => [row, itself])));
      },
    },
  };
}
