import * as tf from '@tensorflow/tfjs';

/**
 * Weights that a backend keeps in 16 bits per number, as in their file: half the memory and the same results, because
 * they are widened when used. tfjs sees such a tensor as float32, but only our layers' kernels can take it.
 */
const narrow = new WeakSet<tf.DataId>();

/** Marks a tensor that a {@link DirectReader} has read in 16 bits. */
export function markNarrow(tensor: tf.Tensor): void {
  narrow.add(tensor.dataId);
}

/** The bytes per number of a tensor that tfjs sees as float32. */
export function bytesPerNumber(tensor: tf.Tensor): number {
  return narrow.has(tensor.dataId) ? 2 : 4;
}

/**
 * A tensor that any tfjs operation can take: the tensor itself or, if it is narrow, a float32 copy, which the caller
 * disposes of.
 */
export function widened<T extends tf.Tensor>(tensor: T): T {
  return narrow.has(tensor.dataId) ? (tf.engine().runKernel<tf.Tensor>('P2pWiden', { x: tensor }) as T) : tensor;
}
