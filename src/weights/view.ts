import { CheckpointError, listed } from '../errors';
import { bitsOf } from './dtype';
import { entryOf, type TensorInfo, type TensorSource } from './source';

/** The origin of a renamed tensor: the whole of `key`, or as much as `shape` holds, starting at a row. */
export interface Origin {
  readonly key: string;
  readonly shape: readonly number[];
  /** The first row, along the first axis; 0 if absent. */
  readonly row?: number;
}

/** A view of a source's tensors with other names, other shapes of the same size, or split by rows. */
export function viewOf(source: TensorSource, origins: ReadonlyMap<string, Origin>): TensorSource {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, { key, shape }] of origins)
    tensors.set(name, { dtype: (source.tensors.get(key) as TensorInfo).dtype, shape });
  const originOf = (name: string): Origin => entryOf(origins, name, source.name);
  const firstNumber = ({ row = 0, shape }: Origin): number => row * count(shape.slice(1));
  return {
    name: source.name,
    tensors,
    async read(name) {
      const origin = originOf(name);
      const numbers = await source.read(origin.key);
      const [size, start] = [count(origin.shape), firstNumber(origin)];
      return size === numbers.length ? numbers : numbers.slice(start, start + size);
    },
    place(name) {
      const origin = originOf(name);
      const place = source.place?.(origin.key);
      const skipped = place && (firstNumber(origin) * bitsOf(place.dtype)) / 8;
      return Number.isInteger(skipped) ? { ...place!, begin: place!.begin + skipped! } : undefined;
    },
  };
}

/** A map from names to their origins that refuses duplicates. */
export class Origins extends Map<string, Origin> {
  constructor(private readonly source: TensorSource) {
    super();
  }

  /** @throws CheckpointError if the name is taken, because the file then has one tensor under two names */
  add(name: string, origin: Origin): void {
    const other = this.get(name);
    if (other)
      throw new CheckpointError(
        `${this.source.name}: ${listed([other.key, origin.key])} are both ${name}. Save the checkpoint with one of them.`,
      );
    this.set(name, origin);
  }
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
