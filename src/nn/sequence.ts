import type * as tf from '@tensorflow/tfjs';

/** A layer, as a function or as an object with parameters. */
export type Layer<T extends tf.Tensor> = ((x: T) => T) | { forward(x: T): T };

/**
 * Applies layers one after the other. Each result is disposed of as soon as the next one is computed, so that at most
 * two exist at a time; `x` itself is not disposed of.
 */
export function sequence<T extends tf.Tensor>(x: T, ...layers: Layer<T & {}>[]): T {
  // `& {}` makes TypeScript infer T from x, not from the layers
  let current = x;
  for (const layer of layers) {
    const next = typeof layer === 'function' ? layer(current) : layer.forward(current);
    if (current !== x && current !== next) current.dispose();
    current = next;
  }
  return current;
}
