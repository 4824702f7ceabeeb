import { CheckpointError } from '../errors';
import type { Dtype } from './dtype';

/** The sources of a network's tensors: a safetensors file, its shards, or a view of one with other names. */

export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** What a source holds under a key. @throws CheckpointError if it has no such tensor */
export function entryOf<T>(entries: ReadonlyMap<string, T>, key: string, source: string): T {
  const entry = entries.get(key);
  if (entry === undefined) throw new CheckpointError(`${source} has no tensor ${key}.`);
  return entry;
}

/** The location of a tensor's numbers, stored contiguously in row-major order. */
export interface BytePlace {
  readonly bytes: ByteSource;
  /** The offset of the tensor's first byte. */
  readonly begin: number;
  readonly dtype: Dtype;
  /** The tensor's name there. */
  readonly key: string;
}

/**
 * Named tensors that are read one at a time, so that loading a network needs only the network's memory plus one tensor.
 * Shapes and names are the checkpoint's own (PyTorch's layouts).
 */
export interface TensorSource {
  /** The path of the file or folder, for messages. */
  readonly name: string;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * The tensor's numbers in row-major order, widened or narrowed to float32, in an array of their own.
   * @throws CheckpointError if the source has no tensor of that name, or its dtype cannot be converted to float32
   */
  read(key: string): Promise<Float32Array>;
  /**
   * The tensor's location, for a reader that reads it itself; undefined if it is not stored as such.
   * @throws CheckpointError if the source has no tensor of that name
   */
  place?(key: string): BytePlace | undefined;
}

/** Bytes that are read piece by piece: a file on disk, or a Blob. */
export interface ByteSource {
  /** Their name, for messages. */
  readonly name: string;
  /** The number of bytes. */
  readonly size: number;
  /** The bytes from `start` up to but not including `end`, in a buffer of their own. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A source of bytes in memory or in a Blob (such as a browser's `File`). */
export function bytesOf(data: Blob | ArrayBuffer | Uint8Array, name = 'safetensors'): ByteSource {
  if (data instanceof Blob) {
    return {
      name,
      size: data.size,
      read: async (start, end) => new Uint8Array(await data.slice(start, end).arrayBuffer()),
    };
  }
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  return { name, size: bytes.length, read: async (start, end) => Uint8Array.prototype.slice.call(bytes, start, end) };
}
