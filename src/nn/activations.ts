import * as tf from '@tensorflow/tfjs';

/** x sigmoid(x), also known as swish. */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(x)) as T);
}

/** x Phi(x), with the normal distribution's Phi exact (by erf), as PyTorch's `gelu` without approximation. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const half = tf.mul(x, 0.5);
    return tf.add(half, tf.mul(half, tf.erf(tf.mul(x, Math.SQRT1_2)))) as T;
  });
}

/** x sigmoid(1.702 x), OpenAI CLIP's approximation of gelu. */
export function quickGelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))) as T);
}
