import * as tf from '@tensorflow/tfjs';
import { sequence } from './sequence';

/** x sigmoid(x), also known as swish. */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(x)) as T);
}

/** x Phi(x), with the normal distribution's Phi exact (by erf), as PyTorch's `gelu` without approximation. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const phi = sequence<tf.Tensor>(x, (v) => tf.mul(v, Math.SQRT1_2), tf.erf, (v) => tf.add(v, 1), (v) => tf.mul(v, 0.5));
    return tf.mul(x, phi) as T;
  });
}

/** x sigmoid(1.702 x), OpenAI CLIP's approximation of gelu. */
export function quickGelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))) as T);
}
