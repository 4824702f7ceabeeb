import { CheckpointError } from '../errors';
import { bitsOf, type Dtype, isDtype, toFloat32 } from './dtype';
import { FOREIGN_BYTES, foreignKind, textStart } from './foreignFile';
import { type Json, JsonObject, parseJson } from './json';
import { type BytePlace, type ByteSource, entryOf, type TensorInfo, type TensorSource } from './source';
import { decodeUtf8 } from './utf8';

/** A tensor and its place in the data after the header. */
export interface StoredTensor extends TensorInfo {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** As in the reference implementation (safetensors/src/tensor.rs). */
export const MAX_HEADER_BYTES = 100_000_000;
/** The file begins with its header's length, a little-endian u64. */
export const LENGTH_BYTES = 8;

/**
 * A safetensors file. Opening it reads the header and checks the file's size against it; tensors are read on request.
 * It accepts and rejects the same files as the reference implementation (`SafeTensors::read_metadata`).
 */
export class SafetensorsFile implements TensorSource {
  private constructor(
    private readonly bytes: ByteSource,
    private readonly dataStart: number,
    private readonly header: SafetensorsHeader,
  ) {}

  /** @throws CheckpointError if the bytes are not a complete safetensors file */
  static async open(bytes: ByteSource): Promise<SafetensorsFile> {
    try {
      if (bytes.size < LENGTH_BYTES)
        throw new InvalidFile(`it has ${bytes.size} bytes, fewer than the 8 that say how long the header is`);
      const length = headerLength(await bytes.read(0, LENGTH_BYTES), bytes.size);
      const dataStart = LENGTH_BYTES + length;
      const header = parseHeader(await bytes.read(LENGTH_BYTES, dataStart), bytes.size - dataStart);
      return new SafetensorsFile(bytes, dataStart, header);
    } catch (error) {
      if (!(error instanceof InvalidFile)) throw error;
      throw new CheckpointError(await complaint(bytes, error.message));
    }
  }

  get name(): string {
    return this.bytes.name;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.header.metadata;
  }

  get tensors(): ReadonlyMap<string, StoredTensor> {
    return this.header.tensors;
  }

  /** The tensor's bytes as they are stored. */
  async readBytes(key: string): Promise<Uint8Array> {
    const { begin, end } = this.stored(key);
    return this.bytes.read(this.dataStart + begin, this.dataStart + end);
  }

  /** The bytes of consecutive tensors, by name, in one read. */
  async readRun(keys: readonly string[]): Promise<Map<string, Uint8Array>> {
    const all = keys.map((key) => this.stored(key));
    const start = Math.min(...all.map(({ begin }) => begin));
    const bytes = await this.bytes.read(
      this.dataStart + start,
      this.dataStart + Math.max(...all.map(({ end }) => end)),
    );
    return new Map(keys.map((key, i) => [key, bytes.slice(all[i].begin - start, all[i].end - start)]));
  }

  async read(key: string): Promise<Float32Array> {
    const { dtype } = this.stored(key);
    const numbers = toFloat32(await this.readBytes(key), dtype);
    if (!numbers)
      throw new CheckpointError(
        `${this.name}: ${key} is stored as ${dtype}, which cannot be read as float32. Save it as F32, F16 or BF16.`,
      );
    return numbers;
  }

  place(key: string): BytePlace {
    const { begin, dtype } = this.stored(key);
    return { bytes: this.bytes, begin: this.dataStart + begin, dtype, key };
  }

  private stored(key: string): StoredTensor {
    return entryOf(this.tensors, key, this.name);
  }
}

/** An invalid file; the file's name is added to the message later. */
class InvalidFile extends Error {}

/** The message for an invalid file: that it is of another kind, or what is wrong in it. */
async function complaint(bytes: ByteSource, problem: string): Promise<string> {
  const start = await bytes.read(0, Math.min(FOREIGN_BYTES, bytes.size));
  const kind = foreignKind(start);
  if (kind) return `${bytes.name} is not a safetensors file: ${kind}.`;
  const text = textStart(start);
  if (text) return `${bytes.name} is not a safetensors file: it is a text that begins ${text}. Get the file again.`;
  return `${bytes.name} is not a whole safetensors file: ${problem}. Get the file again, or save it again.`;
}

function headerLength(bytes: Uint8Array, fileSize: number): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES)
    throw new InvalidFile(`its header would have ${length} bytes, but at most ${MAX_HEADER_BYTES} are allowed`);
  if (Number(length) > fileSize - LENGTH_BYTES)
    throw new InvalidFile(`its header would have ${length} bytes, but the file has only ${fileSize}`);
  return Number(length);
}

/**
 * @param bytes the header, without the length before it
 * @param dataSize the number of bytes after the header
 */
function parseHeader(bytes: Uint8Array, dataSize: number): SafetensorsHeader {
  const { metadata, tensors } = readEntries(parse(bytes));
  const inOrder = [...tensors].sort(([, a], [, b]) => compare(a.begin, b.begin) || compare(a.end, b.end));
  let position = 0n;
  for (const [name, { dtype, shape, begin, end }] of inOrder) {
    if (begin !== position || end < begin) {
      throw new InvalidFile(
        `the bytes of tensor ${name} are stated as ${begin} to ${end}, but should begin at ${position}, where the previous tensor ends`,
      );
    }
    const size = byteSize(name, dtype, shape);
    if (end - begin !== size)
      throw new InvalidFile(
        `tensor ${name}, ${dtype} [${shape.join(', ')}], needs ${size} bytes, but is stated to have ${end - begin}`,
      );
    position = end;
  }
  if (position !== BigInt(dataSize))
    throw new InvalidFile(`its tensors have ${position} bytes, but ${dataSize} follow the header`);
  const stored = inOrder.map(
    ([name, { dtype, shape, begin, end }]) =>
      [name, { dtype, shape: shape.map(Number), begin: Number(begin), end: Number(end) }] as const,
  );
  return { metadata, tensors: new Map(stored) };
}

/** A tensor's entry in the header, in unsigned 64-bit integers not yet checked for consistency. */
interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly bigint[];
  readonly begin: bigint;
  readonly end: bigint;
}

/**
 * Of repeated tensor names and metadata keys the last one counts, and repeated fields are errors, both as in the
 * reference.
 */
function readEntries(header: Json): { metadata: Map<string, string>; tensors: Map<string, Entry> } {
  if (!(header instanceof JsonObject)) throw new InvalidFile('its header is not a JSON object');
  let metadata: Map<string, string> | undefined;
  const tensors = new Map<string, Entry>();
  for (const [key, value] of header.entries) {
    if (key === '__metadata__') {
      if (metadata) throw new InvalidFile('its header has __metadata__ twice');
      metadata = readMetadata(value);
    } else {
      tensors.set(key, readEntry(key, value));
    }
  }
  return { metadata: metadata ?? new Map(), tensors };
}

function readMetadata(value: Json): Map<string, string> {
  if (value === null) return new Map();
  const isText = (entry: readonly [string, Json]): entry is readonly [string, string] => typeof entry[1] === 'string';
  if (value instanceof JsonObject && value.entries.every(isText)) return new Map(value.entries);
  throw new InvalidFile('its __metadata__ is not an object of strings');
}

function readEntry(name: string, value: Json): Entry {
  const invalid = (what: string) => new InvalidFile(`tensor ${name}: ${what}`);
  const [dtypeField, shape, offsets, ...more] = entryFields(value, invalid);
  const dtype = variantName(dtypeField);
  const unsigned = (item: Json): item is bigint => typeof item === 'bigint';
  if (more.length > 0) throw invalid('more than dtype, shape and data_offsets in a row');
  if (dtype === undefined || !isDtype(dtype))
    throw invalid(dtype === undefined ? 'dtype is not a name' : `dtype ${dtype} is unknown`);
  if (!Array.isArray(shape) || !shape.every(unsigned))
    throw invalid('shape is not a list of non-negative whole numbers');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(unsigned))
    throw invalid('data_offsets are not two non-negative whole numbers');
  return { dtype, shape, begin: offsets[0], end: offsets[1] };
}

const FIELDS = ['dtype', 'shape', 'data_offsets'];

/** The three fields of an object, ignoring others, or the items of an array, which the reference also accepts. */
function entryFields(value: Json, invalid: (what: string) => Error): readonly (Json | undefined)[] {
  if (Array.isArray(value)) return value;
  if (!(value instanceof JsonObject)) throw invalid('not an object');
  return FIELDS.map((field) => {
    const found = value.entries.filter(([key]) => key === field);
    if (found.length !== 1) throw invalid(found.length === 0 ? `${field} is missing` : `${field} occurs twice`);
    return found[0][1];
  });
}

/** A dtype is written as its name; the reference also takes `{"F32": null}`, serde's long form of the same. */
function variantName(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof JsonObject) || value.entries.length !== 1) return undefined;
  const [name, content] = value.entries[0];
  return content === null ? name : undefined;
}

const MAX_COUNT = 2n ** 64n - 1n;

function byteSize(name: string, dtype: Dtype, shape: readonly bigint[]): bigint {
  let bits = 1n;
  for (const factor of [...shape, BigInt(bitsOf(dtype))]) {
    bits *= factor;
    if (bits > MAX_COUNT) throw new InvalidFile(`tensor ${name}: the shape [${shape.join(', ')}] is too large`);
  }
  if (bits % 8n !== 0n)
    throw new InvalidFile(`tensor ${name}: ${dtype} [${shape.join(', ')}] is not a whole number of bytes`);
  return bits / 8n;
}

function parse(bytes: Uint8Array): Json {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new InvalidFile('its header is not UTF-8');
  try {
    return parseJson(text);
  } catch (error) {
    throw new InvalidFile(`its header is not JSON: ${(error as Error).message}`);
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
