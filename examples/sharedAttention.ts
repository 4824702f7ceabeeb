/** Pictures in one style: shared self-attention, as in StyleAligned (Hertz et al. 2023, arXiv 2312.02133). */
import * as tf from '@tensorflow/tfjs';
import { type AttentionController, takeRow } from 'prompt-to-prompt-tfjs';

/**
 * In all self-attention, the pictures also attend to the first one: its keys and values are appended to their own.
 * Their queries and keys first get the mean and standard deviation of the first one's (AdaIN), so that they match it.
 */
export const sharedAttention: AttentionController = {
  name: 'sharedAttention',
  wants: ({ site }) => (site.kind === 'self' ? ['qkv'] : []),
  onQkv({ q, k, v }, { rows }) {
    const each = (make: (row: number, first: number) => tf.Tensor4D): tf.Tensor4D =>
      tf.concat(
        rows.map(({ role }, row) =>
          make(
            row,
            rows.findIndex((of) => of.prompt === 0 && of.role === role),
          ),
        ),
      );
    const alike = (x: tf.Tensor4D): tf.Tensor4D => each((row, first) => like(takeRow(x, row), takeRow(x, first)));
    const joined = (x: tf.Tensor4D): tf.Tensor4D =>
      each((row, first) => tf.concat([takeRow(x, row), takeRow(x, first)], 2));
    return { q: alike(q), k: joined(alike(k)), v: joined(v) };
  },
};

/**
 * AdaIN: gives `x` the mean and standard deviation of `model` over the places, per head and feature. Both [1, heads,
 * places, headSize].
 */
function like(x: tf.Tensor4D, model: tf.Tensor4D): tf.Tensor4D {
  const [own, its] = [x, model].map((y) => tf.moments(y, 2, true));
  const scale = tf.sqrt(tf.div(tf.add(its.variance, 1e-5), tf.add(own.variance, 1e-5)));
  return tf.add(tf.mul(tf.sub(x, own.mean), scale), its.mean);
}
