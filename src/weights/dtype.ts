/** The number formats of a safetensors file, and their conversion to float32. */

/**
 * Every dtype of the format with its bits per number, in the reference implementation's order (by increasing
 * alignment).
 */
const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** A number format of a safetensors file, by its name there. */
export type Dtype = keyof typeof BITS;

export const DTYPES = Object.keys(BITS) as readonly Dtype[];

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(BITS, name);
}

export function bitsOf(dtype: Dtype): number {
  return BITS[dtype];
}

/** The dtypes that `toFloat32` knows; the others hold complex numbers, scales, or several numbers per byte. */
const DECODERS: Partial<Record<Dtype, (bytes: ArrayBuffer) => Float32Array>> = {
  F32: (bytes) => new Float32Array(bytes),
  F64: (bytes) => Float32Array.from(new Float64Array(bytes)),
  F16: (bytes) => decodeHalf(new Uint16Array(bytes)),
  BF16: (bytes) => decodeBfloat(new Uint16Array(bytes)),
  F8_E4M3: (bytes) => decodeByte(bytes, 'F8_E4M3'),
  F8_E5M2: (bytes) => decodeByte(bytes, 'F8_E5M2'),
  F8_E4M3FNUZ: (bytes) => decodeByte(bytes, 'F8_E4M3FNUZ'),
  F8_E5M2FNUZ: (bytes) => decodeByte(bytes, 'F8_E5M2FNUZ'),
  I64: (bytes) => Float32Array.from(new BigInt64Array(bytes) as unknown as ArrayLike<bigint>, Number),
  U64: (bytes) => Float32Array.from(new BigUint64Array(bytes) as unknown as ArrayLike<bigint>, Number),
  I32: (bytes) => Float32Array.from(new Int32Array(bytes)),
  U32: (bytes) => Float32Array.from(new Uint32Array(bytes)),
  I16: (bytes) => Float32Array.from(new Int16Array(bytes)),
  U16: (bytes) => Float32Array.from(new Uint16Array(bytes)),
  I8: (bytes) => Float32Array.from(new Int8Array(bytes)),
  U8: (bytes) => Float32Array.from(new Uint8Array(bytes)),
  BOOL: (bytes) => Float32Array.from(new Uint8Array(bytes), (byte) => (byte === 0 ? 0 : 1)),
};

/**
 * Converts numbers of any plain dtype (little-endian) to float32, rounding wider ones as a cast does.
 * @returns undefined for dtypes that are not converted (C64, F8_E8M0, 6 bits and fewer)
 */
export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array | undefined {
  // A buffer used from offset 0 is aligned for every number format, and float32 then needs no copy.
  const own = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  return DECODERS[dtype]?.(own.buffer as ArrayBuffer);
}

let halves: Float32Array | undefined;

function decodeHalf(values: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfValue(bits));
  const table = halves;
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = table[values[i]];
  return out;
}

/** The value of 16 bits in IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction. */
function halfValue(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * Floats of 8 bits (OCP 8-bit Floating Point Specification; `FNUZ` as in arXiv 2206.02915): a sign, an exponent and a
 * fraction. Bits above `largest` stand for infinity or NaN.
 */
const FORMATS = {
  F8_E4M3: { fraction: 3, bias: 7, largest: 0x7e, above: () => NaN, minusZero: -0 },
  F8_E5M2: {
    fraction: 2,
    bias: 15,
    largest: 0x7b,
    above: (bits: number) => (bits === 0x7c ? Infinity : NaN),
    minusZero: -0,
  },
  F8_E4M3FNUZ: { fraction: 3, bias: 8, largest: 0x7f, above: () => NaN, minusZero: NaN },
  F8_E5M2FNUZ: { fraction: 2, bias: 16, largest: 0x7f, above: () => NaN, minusZero: NaN },
} as const;

function decodeByte(bytes: ArrayBuffer, format: keyof typeof FORMATS): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, bits) => byteValue(bits, format));
  return Float32Array.from(new Uint8Array(bytes), (bits) => table[bits]);
}

function byteValue(byte: number, format: keyof typeof FORMATS): number {
  const { fraction: size, bias, largest, above, minusZero } = FORMATS[format];
  const sign = byte >> 7 ? -1 : 1;
  const bits = byte & 0x7f;
  if (byte === 0x80) return minusZero;
  if (bits > largest) return sign * above(bits);
  const exponent = bits >> size;
  const fraction = bits & ((1 << size) - 1);
  const one = 1 << size;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias - size) : (one + fraction) * 2 ** (exponent - bias - size));
}

/** bfloat16 is the upper half of a float32. */
function decodeBfloat(values: Uint16Array): Float32Array {
  const bits = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = values[i] << 16;
  return new Float32Array(bits.buffer);
}
