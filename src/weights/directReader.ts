import * as tf from '@tensorflow/tfjs';
import type { markNarrow } from '../backend/narrow';
import type { Layout } from '../nn/scope';
import type { BytePlace } from './source';

/** A checkpoint's tensor: its location, and its shape there. */
export interface PlacedTensor {
  readonly place: BytePlace;
  readonly shape: readonly number[];
}

/** Tensors of one layout to be joined into one, side by side along the last axis. */
export interface PlacedParameter {
  readonly parts: readonly PlacedTensor[];
  readonly layout: Layout;
}

/**
 * Reads parameters from their files straight into a backend's memory, in their layout. The numbers are the same as from
 * `TensorSource.read`.
 *
 * @returns a tensor for each, which the caller disposes of and which may be narrow ({@link markNarrow}) unless its
 *   layout is `plain`; undefined for those it cannot read (another kind of source, an unusual dtype)
 * @throws CheckpointError naming the file and the key; then no tensors remain
 */
export type DirectReader = (wanted: readonly PlacedParameter[]) => Promise<(tf.Tensor | undefined)[]>;

const readers = new Map<string, DirectReader>();

/** @returns a function that unregisters the reader and restores the one before */
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
