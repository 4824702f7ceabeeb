import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { sequence } from './sequence';

/** x sigmoid(x), also known as swish. */
export function silu<T extends tf.Tensor>(x: T): T {
  return fused(
    'P2pSilu',
    { inputs: { x }, attributes: { slope: 1 } },
    (inputs) => tf.mul(inputs.x, tf.sigmoid(inputs.x)) as T,
  );
}

/** x Phi(x), with the normal distribution's Phi exact (by erf), as PyTorch's `gelu` without approximation. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const phi = sequence<tf.Tensor>(
      x,
      (v) => tf.mul(v, Math.SQRT1_2),
      tf.erf,
      (v) => tf.add(v, 1),
      (v) => tf.mul(v, 0.5),
    );
    return tf.mul(x, phi) as T;
  });
}

/**
 * The first half of the features times gelu of the second (Shazeer 2020, GEGLU). @param x [..., 2 features] @returns
 * [..., features]
 */
export function geglu<T extends tf.Tensor>(x: T): T {
  return fused('P2pGeglu', { inputs: { x } }, (inputs) => {
    const [hidden, gate] = tf.split(inputs.x, 2, -1);
    return tf.mul(hidden, gelu(gate)) as T;
  });
}

/** x sigmoid(1.702 x), OpenAI CLIP's approximation of gelu. */
export function quickGelu<T extends tf.Tensor>(x: T): T {
  const slope = 1.702;
  return fused(
    'P2pSilu',
    { inputs: { x }, attributes: { slope } },
    (inputs) => tf.mul(inputs.x, tf.sigmoid(tf.mul(inputs.x, slope))) as T,
  );
}
