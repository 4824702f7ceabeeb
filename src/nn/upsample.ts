import * as tf from '@tensorflow/tfjs';

/**
 * Enlarges pictures by repeating pixels (PyTorch's `interpolate` with mode `nearest`).
 *
 * @param x [rows, height, width, channels]
 * @param size the height and width of the result, if they are not twice those of `x`
 */
export function upsampleNearest(x: tf.Tensor4D, size?: readonly [number, number]): tf.Tensor4D {
  const [, height, width] = x.shape;
  const [toHeight, toWidth] = size ?? [2 * height, 2 * width];
  // With our own gradient, because that of tfjs's cpu backend is wrong.
  return tf.customGrad((small) => ({
    value: tf.image.resizeNearestNeighbor(small as tf.Tensor4D, [toHeight, toWidth]),
    gradFunc: (dy: tf.Tensor) => collect(dy as tf.Tensor4D, height, width),
  }))(x) as tf.Tensor4D;
}

/**
 * Sums, for each pixel, the values at the places it was repeated to.
 *
 * @param y [rows, toHeight, toWidth, channels]
 * @returns [rows, height, width, channels]
 */
function collect(y: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [rows, toHeight, toWidth, channels] = y.shape;
  const lines = tf.matMul(repeats(height, toHeight), tf.reshape(y, [rows, toHeight, toWidth * channels]));
  return tf.reshape(tf.matMul(repeats(width, toWidth), tf.reshape(lines, [rows * height, toWidth, channels])), [
    rows,
    height,
    width,
    channels,
  ]);
}

/** A matrix of 0 and 1 telling which of `to` places repeat which of `from`: [1, from, to]. */
function repeats(from: number, to: number): tf.Tensor3D {
  return tf.tensor3d(
    Array.from({ length: from * to }, (_, i) => Number(Math.floor(i / to) === Math.floor(((i % to) * from) / to))),
    [1, from, to],
  );
}
