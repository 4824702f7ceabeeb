import * as tf from '@tensorflow/tfjs';
import type { markNarrow } from '../backend/narrow';
import type { Layout } from '../nn/scope';
import type { BytePlace } from './source';

/** A tensor of a checkpoint: where it lies, and its shape there. */
export interface PlacedTensor {
  readonly place: BytePlace;
  readonly shape: readonly number[];
}

/** Tensors of one layout that become one, side by side along the last axis. */
export interface PlacedParameter {
  readonly parts: readonly PlacedTensor[];
  readonly layout: Layout;
}

/**
 * Reads parameters from where they lie straight into a backend's memory, laid out. The numbers are those that
 * `TensorSource.read` gives.
 *
 * @returns a tensor for each, the caller's to dispose, and perhaps narrow ({@link markNarrow}) if it is not plain;
 *   nothing for those that this is not for (bytes of another kind, an unusual dtype)
 * @throws CheckpointError that names the file and the key; then there are no tensors
 */
export type DirectReader = (wanted: readonly PlacedParameter[]) => Promise<(tf.Tensor | undefined)[]>;

const readers = new Map<string, DirectReader>();

/** @returns what takes the reader back again, for the one that was there before */
export function registerDirectReader(backend: string, reader: DirectReader): () => void {
  const before = readers.get(backend);
  readers.set(backend, reader);
  return () => {
    if (before) readers.set(backend, before);
    else readers.delete(backend);
  };
}

/** The current backend's, if it has one. */
export function directReader(): DirectReader | undefined {
  return readers.get(tf.getBackend());
}
