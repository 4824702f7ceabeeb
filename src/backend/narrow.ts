import * as tf from '@tensorflow/tfjs';

/**
 * Weights that a backend keeps as their file has them, in 16 bits a number: half the memory, and the same results, as
 * they are widened where they are used. To tfjs such a tensor is one of float32, but only the kernels of ours for
 * layers can take it.
 */
const narrow = new WeakSet<tf.DataId>();

/** Of a tensor that a {@link DirectReader} has read so. */
export function markNarrow(tensor: tf.Tensor): void {
  narrow.add(tensor.dataId);
}

/** Of float32 tensors, as tfjs sees them. */
export function bytesPerNumber(tensor: tf.Tensor): number {
  return narrow.has(tensor.dataId) ? 2 : 4;
}

/** What all of tfjs can take: the tensor itself, or for a narrow one a copy in float32, the caller's to dispose. */
export function widened<T extends tf.Tensor>(tensor: T): T {
  return narrow.has(tensor.dataId) ? (tf.engine().runKernel<tf.Tensor>('P2pWiden', { x: tensor }) as T) : tensor;
}
