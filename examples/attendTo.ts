/** An energy that moves the latents, after Attend-and-Excite (Chefer et al. 2023, arXiv 2301.13826). */
import * as tf from '@tensorflow/tfjs';
import { type AttentionController, select, takeRow, type Where } from 'prompt-to-prompt-tfjs';

/**
 * Before each step of the first half the latents go down the slope of 1 - the most that any place looks at a token, of
 * the token that is looked at least: so that none of them is forgotten.
 *
 * @param tokens as `tokensOf` gives them @param prompt whose latents are moved
 * @param where cross-attention of one grid
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
      tf.dispose([...maps, value]); // What was kept is ours to free.
      const moved = tf.tidy(() => tf.sub<tf.Tensor4D>(latents, tf.mul(slope, scale * Math.sqrt(1 - step / steps))));
      slope.dispose();
      return moved;
    },
  };
}
