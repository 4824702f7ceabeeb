/** Moves the latents down the gradient of an energy, after Attend-and-Excite (Chefer et al. 2023, arXiv 2301.13826). */
import * as tf from '@tensorflow/tfjs';
import { type AttentionController, select, takeRow, type Where } from 'prompt-to-prompt-tfjs';

/**
 * Before each step in the first half of the run, the latents take a gradient step that raises the maximum attention to
 * the most neglected of the tokens, so that none of them is forgotten.
 *
 * @param tokens as returned by `tokensOf` @param prompt the prompt whose latents are moved
 * @param where cross-attention sites of one grid
 */
export function attendTo(tokens: readonly number[], where: Where, scale = 20, prompt = 0): AttentionController {
  return {
    name: 'attendTo',
    wants: () => [],
    beforeStep(latents, { step, steps, evaluate, gradient }) {
      if (step >= steps / 2) return latents;
      const maps: tf.Tensor4D[] = [];
      const collector = select(where, {
        wants: () => ['probs'],
        onProbs(probs) {
          maps.push(tf.keep(probs));
          return probs;
        },
      });
      const forgotten = (x: tf.Tensor4D): tf.Scalar => {
        evaluate(takeRow(x, prompt), { rows: [{ prompt, role: 'conditional' }], controller: collector });
        const map = tf.mean(tf.concat(maps, 1), [0, 1]); // [queries, tokens]
        return tf.max(tf.stack(tokens.map((token) => tf.sub(1, tf.max(tf.slice(map, [0, token], [-1, 1]))))));
      };
      const { value, gradient: slope } = gradient(forgotten, latents);
      tf.dispose([...maps, value]); // We must free the maps we kept.
      const moved = tf.tidy(() => tf.sub<tf.Tensor4D>(latents, tf.mul(slope, scale * Math.sqrt(1 - step / steps))));
      slope.dispose();
      return moved;
    },
  };
}
