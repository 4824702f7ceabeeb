import { CheckpointError } from '../errors';
import { bitsOf, DTYPES, type Dtype } from './dtype';
import { LENGTH_BYTES, MAX_HEADER_BYTES } from './safetensors';
import { count } from './view';

/** A tensor's entry in a file's header; float32 by default. */
export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype?: Dtype;
}

/** A tensor to be written. */
export interface TensorToWrite extends TensorEntry {
  /**
   * The numbers in row-major order, as the dtype stores them (little-endian), or a function called for them when they
   * are to be written.
   */
  readonly data: ArrayBufferView | (() => Promise<ArrayBufferView>);
}

/**
 * Writes a safetensors file to memory, byte for byte as the reference implementation does.
 *
 * @param tensors at most 2 GiB in total; write more to disk with `saveSafetensors`
 * @throws CheckpointError if a name is repeated or cannot be written, or the data does not fit the shape
 */
export async function writeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of safetensorsParts(tensors, metadata)) parts.push(part);
  const file = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/**
 * The file in parts: the header, then one tensor at a time, whose data is requested only then.
 *
 * @throws CheckpointError, as `writeSafetensors`
 */
export async function* safetensorsParts(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  const inOrder = [...tensors].sort(byAlignment);
  yield safetensorsHeader(inOrder, metadata);
  for (const tensor of inOrder) {
    const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
    if (data.byteLength !== byteSize(tensor)) {
      throw new CheckpointError(
        `Tensor ${tensor.name} [${tensor.shape.join(', ')}] needs ${byteSize(tensor)} bytes, but its data has ${data.byteLength}.`,
      );
    }
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

/** The reference's order: the widest numbers first, so that all are aligned; then by name. */
function byAlignment(a: TensorEntry, b: TensorEntry): number {
  return DTYPES.indexOf(dtypeOf(b)) - DTYPES.indexOf(dtypeOf(a)) || (a.name < b.name ? -1 : 1);
}

/**
 * A file's first bytes; its tensors' bytes must follow in the order given here, with nothing between them.
 *
 * @throws CheckpointError if a name is repeated or cannot be written
 */
export function safetensorsHeader(
  tensors: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let position = 0;
  for (const tensor of tensors) {
    if (tensor.name === '__metadata__' || entries.has(tensor.name))
      throw new CheckpointError(`A tensor cannot be named ${tensor.name}: the name is taken.`);
    if (/\p{Surrogate}/u.test(tensor.name))
      throw new CheckpointError(`A tensor cannot be named ${JSON.stringify(tensor.name)}: it is not Unicode text.`);
    entries.set(tensor.name, {
      dtype: dtypeOf(tensor),
      shape: tensor.shape,
      data_offsets: [position, (position += byteSize(tensor))],
    });
  }
  // Not built from an object, which would move names that look like numbers to the front.
  const json = `{${[...entries].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES;
  if (length > MAX_HEADER_BYTES)
    throw new CheckpointError(
      `The header would have ${length} bytes, but at most ${MAX_HEADER_BYTES} are allowed: write fewer tensors or less metadata.`,
    );
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(' '.charCodeAt(0));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

function dtypeOf(tensor: TensorEntry): Dtype {
  return tensor.dtype ?? 'F32';
}

function byteSize(tensor: TensorEntry): number {
  return (count(tensor.shape) * bitsOf(dtypeOf(tensor))) / 8;
}
