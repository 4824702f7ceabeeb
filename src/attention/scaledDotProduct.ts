import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import type { Qkv } from './controller';

/** The most probabilities held at a time, in numbers: 16 Mi are 64 MiB of float32. */
let maxProbsNow = 16 * 1024 * 1024;

/** Computes with another limit for the probabilities that attention which nobody looks into holds at a time. */
export function withAttentionBytes<T>(bytes: number, compute: () => T): T {
  const before = maxProbsNow;
  maxProbsNow = Math.floor(bytes / 4);
  try {
    return compute();
  } finally {
    maxProbsNow = before;
  }
}

/**
 * softmax(Q K^T / sqrt(headSize)) V, over chunks of queries so that the probabilities never exist all at once.
 * At 64x64 latents the whole of them would be 2 GiB a layer for two prompts with guidance.
 *
 * @returns [rows, heads, queries, headSize]
 */
export function scaledDotProduct({ q, k, v }: Qkv, maxProbs = maxProbsNow): tf.Tensor4D {
  return fused('P2pAttention', { inputs: { q, k, v } }, (qkv) => inChunks(qkv, maxProbs));
}

/** Attention's first step, Q K^T / sqrt(headSize). @returns [rows, heads, queries, keys] */
export function attentionLogits({ q, k }: Pick<Qkv, 'q' | 'k'>): tf.Tensor4D {
  return fused('P2pAttentionLogits', { inputs: { q, k } }, (both) => tf.matMul(scaled(both.q), both.k, false, true));
}

/**
 * Its last step, after a softmax: probabilities times V. @param probs [rows, heads, queries, keys] @returns [rows,
 * heads, queries, headSize]
 */
export function attentionValues(probs: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  return fused('P2pAttentionValues', { inputs: { probs, v } }, (both) => tf.matMul(both.probs, both.v));
}

/**
 * Self-attention of queries, keys and values as one product makes them, side by side.
 *
 * @param qkv [rows, tokens, 3 x heads x headSize]
 * @param options.causal each token attends to itself and those before it only
 * @returns [rows, tokens, heads x headSize]
 */
export function selfAttention(qkv: tf.Tensor3D, heads: number, { causal = false } = {}): tf.Tensor3D {
  return fused('P2pSelfAttention', { inputs: { qkv }, attributes: { heads, causal: causal ? 1 : 0 } }, (inputs) => {
    const [q, k, v] = splitHeads(inputs.qkv, heads, 3);
    return mergeHeads(causal ? causalAttention({ q, k, v }) : scaledDotProduct({ q, k, v }));
  });
}

function causalAttention({ q, k, v }: Qkv): tf.Tensor4D {
  const tokens = q.shape[2];
  const positions = tf.range(0, tokens);
  const ahead = tf.less(tf.reshape(positions, [tokens, 1]), tf.reshape(positions, [1, tokens]));
  // So low that softmax makes it 0.
  const mask = tf.mul(tf.cast(ahead, 'float32'), -1e9);
  return tf.matMul(tf.softmax(tf.add(tf.matMul(scaled(q), k, false, true), mask)), v);
}

/**
 * @param x as many tensors side by side as `parts` says, [rows, tokens, parts x heads x headSize] @returns each of
 * them, [rows, heads, tokens, headSize]
 */
export function splitHeads(x: tf.Tensor3D, heads: number, parts = 1): tf.Tensor4D[] {
  return Array.from({ length: parts }, (_, part) =>
    fused<tf.Tensor4D, { x: tf.Tensor3D }>(
      'P2pSplitHeads',
      { inputs: { x }, attributes: { heads, part, parts } },
      (inputs) => splitPart(inputs.x, heads, part, parts),
    ),
  );
}

/** [rows, heads, tokens, headSize] -> [rows, tokens, heads x headSize] */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  return fused<tf.Tensor3D, { x: tf.Tensor4D }>('P2pMergeHeads', { inputs: { x } }, (inputs) => {
    const [rows, heads, tokens, size] = inputs.x.shape;
    return tf.reshape(tf.transpose(inputs.x, [0, 2, 1, 3]), [rows, tokens, heads * size]);
  });
}

function splitPart(x: tf.Tensor3D, heads: number, part: number, parts: number): tf.Tensor4D {
  const [rows, tokens, features] = x.shape;
  const inner = features / parts;
  // A slice, as tfjs's split has no gradient for one part alone.
  const one = parts === 1 ? x : tf.slice(x, [0, 0, part * inner], [rows, tokens, inner]);
  return tf.transpose(tf.reshape(one, [rows, tokens, heads, inner / heads]), [0, 2, 1, 3]) as tf.Tensor4D;
}

function inChunks({ q, k, v }: Qkv, maxProbs: number): tf.Tensor4D {
  return tf.tidy(() => {
    const [rows, heads, queries, headSize] = q.shape;
    const all = scaled(q);
    const attend = (part: tf.Tensor4D): tf.Tensor4D => tf.matMul(tf.softmax(tf.matMul(part, k, false, true)), v);

    const chunk = Math.max(1, Math.floor(maxProbs / (rows * heads * k.shape[2])));
    if (chunk >= queries) return attend(all);
    const parts: tf.Tensor4D[] = [];
    for (let start = 0; start < queries; start += chunk) {
      const size = Math.min(chunk, queries - start);
      parts.push(tf.tidy(() => attend(tf.slice(all, [0, 0, start, 0], [rows, heads, size, headSize]))));
    }
    return tf.concat(parts, 2);
  });
}

function scaled(q: tf.Tensor4D): tf.Tensor4D {
  return tf.mul(q, q.shape[3] ** -0.5);
}
