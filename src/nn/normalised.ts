import * as tf from '@tensorflow/tfjs';

/** A norm's input, normalised but not yet scaled and shifted. */
export interface Normalised {
  /** (x - mean) / standard deviation, of x's shape. */
  readonly normal: tf.Tensor;
  /** 1 / standard deviation; broadcasts to x's shape. */
  readonly inverseStd: tf.Tensor;
}

/**
 * The gradient with respect to a norm's input.
 *
 * @param dNormal the gradient with respect to `normal`
 * @param mean takes the mean over what is normalised together; its result broadcasts to x's shape
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
