import type * as tf from '@tensorflow/tfjs';

/** A layer without parameters, or with. */
export type Layer<T extends tf.Tensor> = ((x: T) => T) | { forward(x: T): T };

/**
 * Applies layers one after the other. Each result is freed as soon as the next one is there, so that at most two exist
 * at a time; `x` itself stays the caller's.
 */
export function sequence<T extends tf.Tensor>(x: T, ...layers: Layer<T & {}>[]): T {
  // `& {}`: T is what x is, whatever the layers take
  let current = x;
  for (const layer of layers) {
    const next = typeof layer === 'function' ? layer(current) : layer.forward(current);
    if (current !== x && current !== next) current.dispose();
    current = next;
  }
  return current;
}
