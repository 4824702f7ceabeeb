import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import type { Qkv } from './controller';

/** The most probabilities held at a time, in numbers: 16 Mi are 64 MiB of float32. */
const MAX_PROBS = 16 * 1024 * 1024;

/**
 * softmax(Q K^T / sqrt(headSize)) V, over chunks of queries so that the probabilities never exist all at once.
 * At 64x64 latents the whole of them would be 2 GiB a layer for two prompts with guidance.
 *
 * @returns [rows, heads, queries, headSize]
 */
export function scaledDotProduct({ q, k, v }: Qkv, maxProbs = MAX_PROBS): tf.Tensor4D {
  return fused('P2pAttention', { inputs: { q, k, v }, attributes: { scale: q.shape[3] ** -0.5 } }, (qkv) => inChunks(qkv, maxProbs));
}

function inChunks({ q, k, v }: Qkv, maxProbs: number): tf.Tensor4D {
  return tf.tidy(() => {
    const [rows, heads, queries, headSize] = q.shape;
    const scaled = tf.mul(q, headSize ** -0.5) as tf.Tensor4D;
    const attend = (part: tf.Tensor4D): tf.Tensor4D => tf.matMul(tf.softmax(tf.matMul(part, k, false, true)), v);

    const chunk = Math.max(1, Math.floor(maxProbs / (rows * heads * k.shape[2])));
    if (chunk >= queries) return attend(scaled);
    const parts: tf.Tensor4D[] = [];
    for (let start = 0; start < queries; start += chunk) {
      const size = Math.min(chunk, queries - start);
      parts.push(tf.tidy(() => attend(tf.slice(scaled, [0, 0, start, 0], [rows, heads, size, headSize]))));
    }
    return tf.concat(parts, 2);
  });
}
