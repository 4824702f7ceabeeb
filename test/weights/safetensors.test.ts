import fc from 'fast-check';
import { CheckpointError } from '../../src/errors';
import type { Dtype } from '../../src/weights/dtype';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { safetensorsParts, writeSafetensors } from '../../src/weights/safetensorsWriter';
import { bytesOf } from '../../src/weights/source';

/** A file from its header's text and as many zeros as said. */
function fileOf(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

const open = (file: Uint8Array | Blob | ArrayBuffer) => SafetensorsFile.open(bytesOf(file, 'model.safetensors'));
const entry = (dtype: string, shape: string, begin: number, end: number) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('a file is refused, by name and reason, when', () => {
  test.each([
    ['it is empty', new Uint8Array(), /model\.safetensors is not a whole safetensors file: it has 0 bytes/],
    ['it ends within its header', fileOf('{}', 0, 3n), /header would have 3 bytes, but the file has only 10/],
    ['its header is said to be over 100 MB', fileOf('{}', 0, 100_000_001n), /at most 100000000/],
    ['its header is not UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), /not UTF-8/],
    ['its header is not JSON', fileOf('{"a":}'), /not JSON: a value is expected \(at character 5\)/],
    [
      'its header has a number of a million digits',
      fileOf(`{"a":${'9'.repeat(1e6)}}`),
      /not JSON: a number is out of range/,
    ],
    ["something follows the header's object", fileOf('{} x'), /something follows the value/],
    ['its header is a list', fileOf('[]'), /not a JSON object/],
    ['its metadata hold a number', fileOf('{"__metadata__":{"a":1}}'), /__metadata__ is not an object of strings/],
    ['it has metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), /__metadata__ twice/],
    [
      "a tensor's dtype is unknown",
      fileOf(`{"w":${entry('F128', '[1]', 0, 16)}}`, 16),
      /tensor w: dtype F128 is unknown/,
    ],
    ['a tensor has no shape', fileOf('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4), /tensor w: shape is missing/],
    [
      'a tensor has its dtype twice',
      fileOf('{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      /tensor w: dtype occurs twice/,
    ],
    [
      'a size is not written as an integer',
      fileOf(`{"w":${entry('F32', '[1.0]', 0, 4)}}`, 4),
      /tensor w: shape is not a list of non-negative whole numbers/,
    ],
    ['a size is negative', fileOf(`{"w":${entry('F32', '[-1]', 0, 4)}}`, 4), /tensor w: shape/],
    [
      'a tensor has fewer bytes than its shape needs',
      fileOf(`{"w":${entry('F32', '[2]', 0, 4)}}`, 4),
      /tensor w, F32 \[2\], needs 8 bytes, but is stated to have 4/,
    ],
    [
      'two tensors overlap',
      fileOf(`{"v":${entry('F32', '[1]', 0, 4)},"w":${entry('F32', '[1]', 2, 6)}}`, 6),
      /tensor w are stated as 2 to 6, but should begin at 4/,
    ],
    [
      'there is a hole between two tensors',
      fileOf(`{"v":${entry('F32', '[1]', 0, 4)},"w":${entry('F32', '[1]', 8, 12)}}`, 12),
      /tensor w are stated as 8 to 12, but should begin at 4/,
    ],
    [
      'bytes follow the last tensor',
      fileOf(`{"w":${entry('F32', '[1]', 0, 4)}}`, 5),
      /its tensors have 4 bytes, but 5 follow/,
    ],
    [
      'the last tensor is cut off',
      fileOf(`{"w":${entry('F32', '[1]', 0, 4)}}`, 3),
      /its tensors have 4 bytes, but 3 follow/,
    ],
    ['a shape overflows 64 bits', fileOf(`{"w":${entry('F32', '[4294967296,4294967296,4]', 0, 0)}}`), /too large/],
    [
      'narrow numbers do not fill whole bytes',
      fileOf(`{"w":${entry('F4', '[3]', 0, 1)}}`, 1),
      /is not a whole number of bytes/,
    ],
  ])('%s', async (_, file, message) => {
    await expect(open(file)).rejects.toThrow(message);
    await expect(open(file)).rejects.toBeInstanceOf(CheckpointError);
  });
});

test('of a tensor named twice the last entry counts, as in the reference', async () => {
  const file = await open(fileOf(`{"w":${entry('F32', '[1]', 0, 4)},"w":${entry('I32', '[1]', 0, 4)}}`, 4));
  expect(file.tensors.get('w')?.dtype).toBe('I32');
});

test('tensors are listed in the order of their bytes, scalars and empty ones too', async () => {
  const file = await open(
    fileOf(
      `{"b":${entry('U8', '[2]', 4, 6)},"none":${entry('F64', '[0,3]', 0, 0)},"a":${entry('F32', '[]', 0, 4)}}`,
      6,
    ),
  );
  expect([...file.tensors.keys()]).toEqual(['none', 'a', 'b']);
  expect([...(await file.read('none'))]).toEqual([]);
  expect([...(await file.read('a'))]).toEqual([0]);
});

test('metadata are a map of strings; a repeated key keeps its last value', async () => {
  const { metadata } = await open(fileOf('{"__metadata__":{"format":"pt","a":"1","a":"\\u00e9"}}'));
  expect(metadata).toEqual(
    new Map([
      ['format', 'pt'],
      ['a', 'é'],
    ]),
  );
});

test('a tensor that is not there is an error that names file and tensor', async () => {
  const file = await open(fileOf('{}'));
  await expect(file.read('toString')).rejects.toThrow('model.safetensors has no tensor toString.');
});

test('a dtype without a float32 counterpart can be listed and read as bytes, and is an error as numbers', async () => {
  const file = await open(fileOf(`{"w":${entry('F8_E8M0', '[2]', 0, 2)}}`, 2));
  expect(await file.readBytes('w')).toEqual(new Uint8Array(2));
  await expect(file.read('w')).rejects.toThrow(
    /model\.safetensors: w is stored as F8_E8M0.*Save it as F32, F16 or BF16/,
  );
});

describe('numbers become float32:', () => {
  const half = Uint16Array.of(0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x7c00, 0xfc00);
  test.each([
    ['F64', Float64Array.of(0.1, -1e300, 5e-324), [Math.fround(0.1), -Infinity, 0]],
    ['F32', Float32Array.of(1.5, -0), [1.5, -0]],
    ['F16', half, [0, -0, 1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, Infinity, -Infinity]],
    ['BF16', Uint16Array.of(0x3f80, 0xc049, 0x7f80, 0x0001), [1, -3.140625, Infinity, 2 ** -133]],
    ['I64', BigInt64Array.of(-3n, 2n ** 53n + 2n), [-3, 2 ** 53]],
    ['U64', BigUint64Array.of(2n ** 64n - 1n), [2 ** 64]],
    ['I32', Int32Array.of(-7), [-7]],
    ['U32', Uint32Array.of(2 ** 32 - 1), [2 ** 32]],
    ['I16', Int16Array.of(-7), [-7]],
    ['U16', Uint16Array.of(65535), [65535]],
    ['I8', Int8Array.of(-7), [-7]],
    ['U8', Uint8Array.of(255), [255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ] as const)('%s', async (dtype, stored, expected) => {
    const file = await open(await writeSafetensors([{ name: 'w', shape: [stored.length], dtype, data: stored }]));
    expect([...(await file.read('w'))]).toEqual(expected);
  });

  test('a NaN of 16 bits stays one', async () => {
    const file = await open(
      await writeSafetensors([
        { name: 'h', shape: [1], dtype: 'F16', data: Uint16Array.of(0x7e01) },
        { name: 'b', shape: [1], dtype: 'BF16', data: Uint16Array.of(0x7fc0) },
      ]),
    );
    expect([...(await file.read('h')), ...(await file.read('b'))]).toEqual([NaN, NaN]);
  });
});

describe('floats of 8 bits are what PyTorch makes of them', () => {
  const values = async (dtype: Dtype, ...bits: number[]) => [
    ...(await (
      await open(await writeSafetensors([{ name: 'x', shape: [bits.length], dtype, data: Uint8Array.from(bits) }]))
    ).read('x')),
  ];

  test('F8_E4M3', async () => {
    const bits = [0x00, 0x01, 0x07, 0x08, 0x38, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff];
    expect(await values('F8_E4M3', ...bits)).toEqual([
      0,
      2 ** -9,
      7 * 2 ** -9,
      2 ** -6,
      1,
      448,
      NaN,
      -0,
      -(2 ** -9),
      -448,
      NaN,
    ]);
  });

  test('F8_E5M2', async () => {
    const bits = [0x00, 0x01, 0x03, 0x04, 0x3c, 0x7b, 0x7c, 0x7d, 0x80, 0xfb, 0xfc];
    expect(await values('F8_E5M2', ...bits)).toEqual([
      0,
      2 ** -16,
      3 * 2 ** -16,
      2 ** -14,
      1,
      57344,
      Infinity,
      NaN,
      -0,
      -57344,
      -Infinity,
    ]);
  });

  test('of the kinds without infinity and minus zero', async () => {
    expect(await values('F8_E4M3FNUZ', 0x01, 0x08, 0x40, 0x7f, 0x80, 0xff)).toEqual([
      2 ** -10,
      2 ** -7,
      1,
      240,
      NaN,
      -240,
    ]);
    expect(await values('F8_E5M2FNUZ', 0x01, 0x04, 0x40, 0x7f, 0x80, 0xff)).toEqual([
      2 ** -17,
      2 ** -15,
      1,
      57344,
      NaN,
      -57344,
    ]);
  });
});

describe('a file that is another one is named for what it is', () => {
  const bytes = (text: string) => new TextEncoder().encode(text.padEnd(600));
  test.each<[string, Uint8Array, RegExp]>([
    [
      'a pointer of git-lfs',
      bytes('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438167540\n'),
      /pointer of git-lfs.*git lfs pull/,
    ],
    [
      'a short pointer of git-lfs',
      new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'),
      /pointer of git-lfs/,
    ],
    ['a web page', bytes('<!DOCTYPE html><html><head>'), /web page/],
    ['a web page after spaces', bytes('\n\n  <html lang="en">'), /web page/],
    ['an answer in XML', bytes('<?xml version="1.0"?><Error><Code>AccessDenied'), /web page/],
    [
      'a zip, as torch.save writes it',
      Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0),
      /pickle.*safetensors file instead/,
    ],
    [
      'a pickle, as old torch.save wrote it',
      Uint8Array.of(0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20),
      /pickle/,
    ],
    ['GGUF', Uint8Array.of(0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, 9, 9), /GGUF/],
    ['JSON', bytes('{"error":"Repository not found"}'), /a text that begins "\{\\"error/],
    ['a plain answer', bytes('Invalid username or password.'), /a text that begins "Invalid username/],
    ['zeros cut short', new Uint8Array(4), /has 4 bytes, fewer than the 8/],
    ['noise', Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2, 1, 0), /header would have \d+ bytes/],
  ])('%s', async (_, file, message) => {
    await expect(open(file)).rejects.toThrow(message);
    await expect(open(file)).rejects.toThrow(CheckpointError);
  });

  test('any bytes are refused with the file named, or read', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (file) => {
        await open(file).catch((error: Error) => expect(error).toBeInstanceOf(CheckpointError));
      }),
    ));
});

describe('a file is read the same from', () => {
  const bytes = writeSafetensors([
    { name: 'w', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    { name: 'odd', shape: [1], dtype: 'U8', data: Uint8Array.of(9) },
  ]);
  test.each([
    ['an ArrayBuffer', async () => (await bytes).slice().buffer],
    ['a part of one that is not aligned', async () => Uint8Array.of(0, ...(await bytes)).subarray(1)],
    ['a Blob', async () => new Blob([(await bytes).slice()])],
  ])('%s', async (_, source) => {
    const file = await open(await source());
    expect([...(await file.read('w'))]).toEqual([1, 2, 3, 4]);
    expect([...(await file.read('odd'))]).toEqual([9]);
  });

  test('memory, which stays as it is when the numbers are changed', async () => {
    const memory = await bytes;
    const before = memory.slice();
    (await (await open(memory)).read('w')).fill(0);
    expect(memory).toEqual(before);
  });
});

describe('writing', () => {
  test('a file gives back names, shapes, dtypes, numbers and metadata', async () => {
    const file = await open(
      await writeSafetensors(
        [
          { name: '10', shape: [2], data: Float32Array.of(1, 2) },
          { name: '9', shape: [], data: Float32Array.of(3) },
          { name: 'é"\n', shape: [0, 4], dtype: 'I64', data: new BigInt64Array() },
        ],
        { made: 'here' },
      ),
    );
    expect([...file.tensors.entries()].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['é"\n', 'I64', [0, 4]],
      ['10', 'F32', [2]],
      ['9', 'F32', []],
    ]);
    expect([...(await file.read('10')), ...(await file.read('9'))]).toEqual([1, 2, 3]);
    expect(file.metadata.get('made')).toBe('here');
  });

  test.each([
    [
      'a name that stands twice',
      [
        { name: 'w', shape: [0], data: new Float32Array() },
        { name: 'w', shape: [0], data: new Float32Array() },
      ],
      /named w: the name is taken/,
    ],
    ['the name of the metadata', [{ name: '__metadata__', shape: [0], data: new Float32Array() }], /the name is taken/],
    ['a name that is no text', [{ name: '\ud800', shape: [0], data: new Float32Array() }], /not Unicode/],
    [
      'data that do not fill the shape',
      [{ name: 'w', shape: [2], data: Float32Array.of(1) }],
      /w \[2\] needs 8 bytes, but its data has 4/,
    ],
  ])('refuses %s', async (_, tensors, message) => {
    await expect(writeSafetensors(tensors)).rejects.toThrow(message);
  });

  test("asks for a tensor's data only when its turn comes", async () => {
    const asked: string[] = [];
    const tensors = ['a', 'b'].map((name) => ({
      name,
      shape: [1],
      data: async () => {
        asked.push(name);
        return Float32Array.of(1);
      },
    }));
    const parts = safetensorsParts(tensors);
    await parts.next();
    expect(asked).toEqual([]);
    await parts.next();
    expect(asked).toEqual(['a']);
  });
});
