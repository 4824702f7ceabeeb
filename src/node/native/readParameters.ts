import * as tf from '@tensorflow/tfjs';
import { closeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { DirectReader, PlacedTensor } from '../../backend/directReader';
import type { Layout } from '../../nn/scope';
import type { Dtype } from '../../weights/dtype';
import { CheckpointError, listed } from '../../weights/error';
import { FileBytes } from '../fileSource';

/** What native/read.cc can widen, by TensorFlow's numbers for its types. */
const TYPES: Partial<Record<Dtype, number>> = { F32: 1, F16: 19, BF16: 14 };

/** Reads parameters from files by an operation in the addon, on all threads: no copy of them passes through JavaScript. */
export const readParameters: DirectReader = async (parts, layout) => {
  const stored = TYPES[parts[0].place.dtype];
  const files = parts.flatMap(({ place }) => (place.bytes instanceof FileBytes ? place.bytes : []));
  const alike = parts.every(({ place }) => place.dtype === parts[0].place.dtype) && (parts.length === 1 || layout !== 'plain');
  if (stored === undefined || files.length < parts.length || !alike || parts[0].shape.length === 0) return undefined;
  await setImmediate(); // The reading itself is done in one go; between two, others have their turn.
  const descriptors = new Map<FileBytes, number>();
  try {
    for (const file of new Set(files)) descriptors.set(file, file.open());
    return read(parts, layout, stored, files.map((file) => descriptors.get(file)!));
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
  }
};

function read(parts: readonly PlacedTensor[], layout: Layout, stored: number, descriptors: readonly number[]): tf.Tensor {
  const rows = parts.map(({ place, shape }, i) => [descriptors[i], ...wide(place.begin), share(shape, layout)]);
  try {
    return tf.tidy(() => tf.engine().runKernel<tf.Tensor>('P2pRead', {
      parts: tf.tensor2d(rows, undefined, 'int32'), shape: tf.tensor1d(laidOut(parts, layout), 'int32'),
    }, { stored, transposed: layout === 'plain' ? 0 : 1 }) as tf.Tensor);
  } catch (error) {
    throw failure(parts, error as Error);
  }
}

/** A byte's place as the operation takes it, in numbers of 32 bits: GiB, and the rest. */
function wide(place: number): [number, number] {
  return [Math.floor(place / 2 ** 30), place % 2 ** 30];
}

/** How many numbers of the last axis are a part's. */
function share(shape: readonly number[], layout: Layout): number {
  return layout === 'plain' ? shape[shape.length - 1] : shape[0];
}

function laidOut(parts: readonly PlacedTensor[], layout: Layout): number[] {
  const [out, ...rest] = parts[0].shape;
  const all = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  if (layout === 'plain') return [out, ...rest];
  if (layout === 'linear') return [...rest, all];
  const [input, height, width] = rest;
  return [height, width, input, all];
}

function failure(parts: readonly PlacedTensor[], { message }: Error): CheckpointError {
  const [{ place }] = parts;
  const tensors = listed(parts.map((part) => part.place.key));
  if (message.includes('ended while')) return new CheckpointError(`${place.bytes.name} ended while ${tensors} was being read. Load it again.`);
  return new CheckpointError(`${place.bytes.name}: ${tensors} cannot be read: ${message}`);
}
