import * as tf from '@tensorflow/tfjs';

/** What a norm makes of its input before it scales and shifts it. */
export interface Normalised {
  /** (x - mean) / standard deviation, of x's shape. */
  readonly normal: tf.Tensor;
  /** 1 / standard deviation; broadcasts to x's shape. */
  readonly inverseStd: tf.Tensor;
}

/**
 * The gradient for a norm's input.
 *
 * @param dNormal the gradient for what was normalised
 * @param mean over what is normalised together; broadcasts to x's shape
 */
export function normGradient(
  dNormal: tf.Tensor,
  normal: tf.Tensor,
  inverseStd: tf.Tensor,
  mean: (x: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  return tf.tidy(() => {
    const alongScale = tf.mul(normal, mean(tf.mul(dNormal, normal)));
    return tf.mul(inverseStd, tf.sub(tf.sub(dNormal, mean(dNormal)), alongScale));
  });
}
