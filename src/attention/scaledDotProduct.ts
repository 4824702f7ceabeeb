import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import type { Qkv } from './controller';

/** The most probabilities held at a time: 16 Mi numbers are 64 MiB of float32. */
let maxProbsNow = 16 * 1024 * 1024;

/**
 * Runs `compute` with another limit, in bytes, on the probabilities held at a time by attention that no controller
 * looks into.
 */
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
 * softmax(Q K^T / sqrt(headSize)) V, over chunks of queries, so that the probabilities never exist all at once, not
 * even while a gradient is taken. At 64x64 latents they would take 2 GiB per layer for two prompts with guidance.
 *
 * @returns [rows, heads, queries, headSize]
 */
export function scaledDotProduct({ q, k, v }: Qkv, maxProbs = maxProbsNow): tf.Tensor4D {
  return fused<tf.Tensor4D, NamedQkv>('P2pAttention', {
    inputs: { q, k, v },
    plain: (qkv) => plainAttention(qkv, { maxProbs }),
    saved: ['q', 'k', 'v'],
    gradient: (dy, qkv) => attentionGradient(dy, qkv, { maxProbs }),
  });
}

/** The first step of attention, Q K^T / sqrt(headSize). @returns [rows, heads, queries, keys] */
export function attentionLogits({ q, k }: Pick<Qkv, 'q' | 'k'>): tf.Tensor4D {
  return fused<tf.Tensor4D, Pick<NamedQkv, 'q' | 'k'>>('P2pAttentionLogits', {
    inputs: { q, k },
    plain: (both) => tf.matMul(scaled(both.q), both.k, false, true),
    saved: ['q', 'k'],
    gradient: (dLogits, both) => ({
      q: scaled(tf.matMul(dLogits, both.k)),
      k: byQueries(dLogits, scaled(both.q)),
    }),
  });
}

/**
 * The last step of attention, after the softmax: probabilities times V.
 *
 * @param probs [rows, heads, queries, keys]
 * @returns [rows, heads, queries, headSize]
 */
export function attentionValues(probs: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  return fused<tf.Tensor4D, { probs: tf.Tensor4D; v: tf.Tensor4D }>('P2pAttentionValues', {
    inputs: { probs, v },
    plain: (both) => tf.matMul(both.probs, both.v),
    saved: ['probs', 'v'],
    gradient: (dy, both) => ({ probs: tf.matMul(dy, both.v, false, true), v: byQueries(both.probs, dy) }),
  });
}

/**
 * Self-attention on queries, keys and values side by side in one tensor, as one joined product computes them.
 *
 * @param qkv [rows, tokens, 3 x heads x headSize]
 * @param options.causal whether each token attends only to itself and the tokens before it
 * @returns [rows, tokens, heads x headSize]
 */
export function selfAttention(qkv: tf.Tensor3D, heads: number, { causal = false } = {}): tf.Tensor3D {
  const options = { causal, maxProbs: maxProbsNow };
  const attributes = { heads, causal: causal ? 1 : 0 };
  const split = (all: tf.Tensor3D): NamedQkv => {
    const [q, k, v] = splitHeads(all, heads, 3);
    return { q, k, v };
  };
  return fused<tf.Tensor3D, { qkv: tf.Tensor3D }>('P2pSelfAttention', {
    inputs: { qkv },
    attributes,
    plain: (inputs) => mergeHeads(plainAttention(split(inputs.qkv), options)),
    saved: ['qkv'],
    gradient: (dy, saved) => ({
      qkv: fused<tf.Tensor3D, { qkv: tf.Tensor3D; dy: tf.Tensor3D }>('P2pSelfAttentionGradient', {
        inputs: { qkv: saved.qkv, dy },
        attributes,
        plain: (inputs) => {
          const { q, k, v } = attentionGradient(splitHeads(inputs.dy, heads)[0], split(inputs.qkv), options);
          return tf.concat([q, k, v].map(mergeHeads), 2);
        },
      }),
    }),
  });
}

/**
 * @param x `parts` tensors side by side, [rows, tokens, parts x heads x headSize]
 * @returns each of them, [rows, heads, tokens, headSize]
 */
export function splitHeads(x: tf.Tensor3D, heads: number, parts = 1): tf.Tensor4D[] {
  return Array.from({ length: parts }, (_, part) =>
    fused<tf.Tensor4D, { x: tf.Tensor3D }>('P2pSplitHeads', {
      inputs: { x },
      attributes: { heads, part, parts },
      plain: (inputs) => splitPart(inputs.x, heads, part, parts),
      gradient: (dy) => {
        const inner = x.shape[2] / parts;
        return {
          x: tf.pad(mergeHeads(dy), [
            [0, 0],
            [0, 0],
            [part * inner, (parts - 1 - part) * inner],
          ]),
        };
      },
    }),
  );
}

/** [rows, heads, tokens, headSize] -> [rows, tokens, heads x headSize] */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [rows, heads, tokens, size] = x.shape;
  return fused<tf.Tensor3D, { x: tf.Tensor4D }>('P2pMergeHeads', {
    inputs: { x },
    plain: (inputs) => tf.reshape(tf.transpose(inputs.x, [0, 2, 1, 3]), [rows, tokens, heads * size]),
    gradient: (dy) => ({ x: splitHeads(dy, heads)[0] }),
  });
}

function splitPart(x: tf.Tensor3D, heads: number, part: number, parts: number): tf.Tensor4D {
  const [rows, tokens, features] = x.shape;
  const inner = features / parts;
  const one = parts === 1 ? x : tf.slice(x, [0, 0, part * inner], [rows, tokens, inner]);
  return tf.transpose(tf.reshape(one, [rows, tokens, heads, inner / heads]), [0, 2, 1, 3]) as tf.Tensor4D;
}

/** {@link Qkv}, as a type alias, which tfjs accepts as a map of named tensors. */
type NamedQkv = { q: tf.Tensor4D; k: tf.Tensor4D; v: tf.Tensor4D };

interface ChunkOptions {
  readonly maxProbs: number;
  readonly causal?: boolean;
}

function plainAttention({ q, k, v }: NamedQkv, options: ChunkOptions): tf.Tensor4D {
  return tf.tidy(() =>
    tf.concat<tf.Tensor4D>(
      chunksOf(q.shape, k.shape[2], options.maxProbs).map((chunk) =>
        tf.tidy(() => tf.matMul<tf.Tensor4D>(probabilities(inChunk(q, chunk), k, chunk, options), v)),
      ),
      2,
    ),
  );
}

/**
 * The gradients with respect to Q, K and V. The probabilities are recomputed, again for only one chunk of queries at a
 * time.
 */
function attentionGradient(dy: tf.Tensor4D, { q, k, v }: NamedQkv, options: ChunkOptions): NamedQkv {
  return tf.tidy(() => {
    const parts = chunksOf(q.shape, k.shape[2], options.maxProbs).map((chunk) =>
      tf.tidy(() => {
        const [dPart, qPart] = [inChunk(dy, chunk), inChunk(q, chunk)];
        const probs = probabilities(qPart, k, chunk, options);
        const dProbs = tf.matMul(dPart, v, false, true);
        const weighted = tf.mul(probs, dProbs);
        const dLogits = tf.sub(weighted, tf.mul(probs, tf.sum(weighted, -1, true))) as tf.Tensor4D;
        return { q: scaled(tf.matMul(dLogits, k)), k: byQueries(dLogits, scaled(qPart)), v: byQueries(probs, dPart) };
      }),
    );
    const sum = (name: 'k' | 'v'): tf.Tensor4D => tf.addN(parts.map((part) => part[name]));
    return {
      q: tf.concat(
        parts.map((part) => part.q),
        2,
      ),
      k: sum('k'),
      v: sum('v'),
    };
  });
}

interface Chunk {
  readonly first: number;
  readonly count: number;
}

/** Splits the queries into chunks so that each chunk has at most `maxProbs` probabilities (but at least one query). */
function chunksOf([rows, heads, queries]: readonly number[], keys: number, maxProbs: number): Chunk[] {
  const most = Math.max(1, Math.floor(maxProbs / (rows * heads * keys)));
  return Array.from({ length: Math.ceil(queries / most) }, (_, i) => ({
    first: i * most,
    count: Math.min(most, queries - i * most),
  }));
}

/** The queries of a chunk, or what belongs to them. @param x [rows, heads, queries, size] */
function inChunk(x: tf.Tensor4D, { first, count }: Chunk): tf.Tensor4D {
  const [rows, heads, queries, size] = x.shape;
  return count === queries ? x : tf.slice(x, [0, 0, first, 0], [rows, heads, count, size]);
}

/** @param q the chunk's queries @returns [rows, heads, queries, keys] */
function probabilities(q: tf.Tensor4D, k: tf.Tensor4D, { first, count }: Chunk, { causal }: ChunkOptions): tf.Tensor4D {
  return tf.tidy(() => {
    const logits: tf.Tensor4D = tf.matMul(scaled(q), k, false, true);
    if (!causal) return tf.softmax(logits);
    return tf.softmax(tf.add<tf.Tensor4D>(logits, lookAhead(first, count, k.shape[2])));
  });
}

/**
 * The causal mask to add to logits: -1e9 where a token would look ahead, which softmax turns into 0. Keys beyond the
 * tokens, which a hook has added, are visible to all.
 *
 * @param first the position of the first of the `count` queries @returns [count, keys]
 */
export function lookAhead(first: number, count: number, keys: number, tokens = keys): tf.Tensor2D {
  return tf.tidy(() => {
    const queries = tf.reshape(tf.range(first, first + count), [count, 1]);
    const key = tf.range(0, keys);
    const ahead = tf.logicalAnd(tf.less(queries, key), tf.less(key, tokens));
    return tf.mul(tf.cast(ahead, 'float32'), -1e9);
  });
}

/**
 * map^T x, of a map [rows, heads, queries, keys] and x [rows, heads, queries, size]; without transposing the large map.
 */
function byQueries(map: tf.Tensor4D, x: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => tf.transpose<tf.Tensor4D>(tf.matMul<tf.Tensor4D>(x, map, true), [0, 1, 3, 2]));
}

function scaled(q: tf.Tensor4D): tf.Tensor4D {
  return tf.mul(q, q.shape[3] ** -0.5);
}
