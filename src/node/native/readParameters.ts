import { closeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { markNarrow } from '../../backend/narrow';
import { CheckpointError, listed } from '../../errors';
import type { Layout } from '../../nn/scope';
import type { DirectReader, PlacedParameter } from '../../weights/directReader';
import type { Dtype } from '../../weights/dtype';
import { FileBytes } from '../fileSource';

/** The dtypes that native/read.cc can read, with TensorFlow's numbers for them. */
const TYPES: Partial<Record<Dtype, number>> = { F32: 1, F16: 19, BF16: 14 };
const FLOAT32 = 1;

/** Reads parameters from files with an operation in the addon, on all threads, without copies in JavaScript. */
export const readParameters: DirectReader = async (wanted) => {
  await setImmediate(); // The read itself is synchronous; between reads, other work gets its turn.
  const tensors: (tf.Tensor | undefined)[] = wanted.map(() => undefined);
  const descriptors = new Map<FileBytes, number>();
  try {
    const descriptor = (file: FileBytes): number => {
      if (!descriptors.has(file)) descriptors.set(file, file.open());
      return descriptors.get(file)!;
    };
    for (const stored of new Set(wanted.flatMap((parameter) => storedType(parameter) ?? []))) {
      for (const kept of new Set([FLOAT32, stored])) {
        const chosen = [...wanted.keys()].filter(
          (i) => storedType(wanted[i]) === stored && keptType(wanted[i], stored) === kept,
        );
        const read =
          chosen.length > 0
            ? readAll(
                chosen.map((i) => wanted[i]),
                { stored, kept },
                descriptor,
              )
            : [];
        chosen.forEach((i, at) => {
          tensors[i] = read[at];
        });
      }
    }
    return tensors;
  } catch (error) {
    for (const tensor of tensors) tensor?.dispose();
    throw error;
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
  }
};

/** TensorFlow's number for the type that all parts are stored in, if the operation can read it. */
function storedType({ parts, layout }: PlacedParameter): number | undefined {
  const [
    {
      place: { dtype },
      shape,
    },
  ] = parts;
  const alike =
    parts.every(({ place }) => place.dtype === dtype && place.bytes instanceof FileBytes) &&
    (parts.length === 1 || layout !== 'plain');
  return alike && shape.length > 0 && shape.length <= 4 ? TYPES[dtype] : undefined;
}

/** The type they are kept in: the operands of products are widened only when used. */
function keptType({ layout }: PlacedParameter, stored: number): number {
  return layout === 'plain' ? FLOAT32 : stored;
}

function readAll(
  wanted: readonly PlacedParameter[],
  types: { readonly stored: number; readonly kept: number },
  descriptor: (file: FileBytes) => number,
): tf.Tensor[] {
  const tensors = wanted.map((parameter) => {
    const shape = laidOut(parameter);
    return [
      parameter.layout === 'plain' ? 0 : 1,
      shape.length,
      ...shape,
      ...Array.from({ length: 4 - shape.length }, () => 0),
    ];
  });
  const parts = wanted.flatMap(({ parts, layout }, tensor) =>
    parts.map(({ place, shape }) => [
      tensor,
      descriptor(place.bytes as FileBytes),
      ...wide(place.begin),
      share(shape, layout),
    ]),
  );
  try {
    const read = tf.tidy(
      () =>
        tf.engine().runKernel<tf.Tensor[]>(
          'P2pRead',
          {
            tensors: tf.tensor2d(tensors, undefined, 'int32'),
            parts: tf.tensor2d(parts, undefined, 'int32'),
          },
          { ...types, count: wanted.length },
        ) as tf.Tensor[],
    );
    if (types.kept !== FLOAT32) read.forEach(markNarrow);
    return read;
  } catch (error) {
    throw failure(wanted, error as Error);
  }
}

/** A byte offset as two 32-bit numbers for the operation: whole GiB, and the rest. */
function wide(place: number): [number, number] {
  return [Math.floor(place / 2 ** 30), place % 2 ** 30];
}

/** The length of a part along the last axis. */
function share(shape: readonly number[], layout: Layout): number {
  return layout === 'plain' ? shape[shape.length - 1] : shape[0];
}

function laidOut({ parts, layout }: PlacedParameter): number[] {
  const [out, ...rest] = parts[0].shape;
  const all = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  if (layout === 'plain') return [out, ...rest];
  if (layout === 'linear') return [...rest, all];
  const [input, height, width] = rest;
  return [height, width, input, all];
}

function failure(wanted: readonly PlacedParameter[], error: Error): Error {
  const said = /tensor (\d+) (.*)/.exec(error.message);
  if (!said) return error;
  const { parts } = wanted[Number(said[1])];
  const [name, tensors] = [parts[0].place.bytes.name, listed(parts.map(({ place }) => place.key))];
  if (said[2].startsWith('ended while'))
    return new CheckpointError(`${name} ended while ${tensors} was being read. Load it again.`);
  return new CheckpointError(`${name}: ${tensors} ${said[2]}`);
}
