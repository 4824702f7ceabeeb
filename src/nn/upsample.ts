import * as tf from '@tensorflow/tfjs';

/**
 * Enlarges pictures by repeating pixels (PyTorch's `interpolate` with mode `nearest`).
 *
 * @param x [rows, height, width, channels]
 * @param size the height and width to reach, where they are not twice those of `x`
 */
export function upsampleNearest(x: tf.Tensor4D, size?: readonly [number, number]): tf.Tensor4D {
  const [, height, width] = x.shape;
  const [toHeight, toWidth] = size ?? [2 * height, 2 * width];
  return tf.image.resizeNearestNeighbor(x, [toHeight, toWidth]);
}
