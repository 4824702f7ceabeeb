import type { Dtype } from './dtype';

/** Where a network's tensors come from: a safetensors file, several shards of one, or one seen under other names. */

export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Where a tensor's numbers lie: in row-major order, one behind the other. */
export interface BytePlace {
  readonly bytes: ByteSource;
  /** The first of the tensor's bytes. */
  readonly begin: number;
  readonly dtype: Dtype;
  /** What the tensor is called there. */
  readonly key: string;
}

/**
 * Named tensors that are read one at a time, so that loading a network needs the network's memory and one tensor more.
 * Shapes and names are the checkpoint's own (PyTorch's layouts).
 */
export interface TensorSource {
  /** What to call the source in a message: a file's path, or a folder's. */
  readonly name: string;
  /** In the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * The tensor's numbers in row-major order, widened or narrowed to float32, in memory of their own.
   * @throws CheckpointError if the source has no tensor of that name, or one whose dtype has no float32 counterpart.
   */
  read(key: string): Promise<Float32Array>;
  /**
   * Where the tensor lies, for what reads it by itself; nothing if it lies nowhere as it is.
   * @throws CheckpointError if the source has no tensor of that name
   */
  place?(key: string): BytePlace | undefined;
}

/** Bytes that are read piece by piece: a file on disk, or a Blob. */
export interface ByteSource {
  /** What to call them in a message. */
  readonly name: string;
  /** How many bytes there are. */
  readonly size: number;
  /** The bytes from `start` up to, not including, `end`, in memory of their own. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** Bytes that are in memory, or behind a Blob (a browser's `File` is one). */
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
