import * as tf from '@tensorflow/tfjs';
import type { Layout } from '../nn/scope';
import type { Place } from '../weights/source';

/** A tensor of a checkpoint: where it lies, and its shape there. */
export interface PlacedTensor {
  readonly place: Place;
  readonly shape: readonly number[];
}

/**
 * Reads tensors of one layout from where they lie straight into a backend's memory, laid out, side by side along the last axis. The numbers are
 * those that `TensorSource.read` gives.
 *
 * @returns one tensor, the caller's to dispose; nothing if this is not for it (bytes of another kind, an unusual dtype)
 * @throws CheckpointError that names the file and the key
 */
export type DirectReader = (parts: readonly PlacedTensor[], layout: Layout) => Promise<tf.Tensor | undefined>;

const readers = new Map<string, DirectReader>();

/** @returns what takes the reader back again, for the one that was there before */
export function registerDirectReader(backend: string, reader: DirectReader): () => void {
  const before = readers.get(backend);
  readers.set(backend, reader);
  return () => { if (before) readers.set(backend, before); else readers.delete(backend); };
}

/** The current backend's, if it has one. */
export function directReader(): DirectReader | undefined {
  return readers.get(tf.getBackend());
}
