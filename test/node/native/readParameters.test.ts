import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { widened } from '../../../src/backend/narrow';
import { CheckpointError } from '../../../src/errors';
import { Conv2d } from '../../../src/nn/conv2d';
import { JoinedLinear, Linear } from '../../../src/nn/linear';
import { type Layout, Scope } from '../../../src/nn/scope';
import { chooseBackend } from '../../../src/node/backend';
import { cacheFolder } from '../../../src/node/cacheFolder';
import { fileBytes } from '../../../src/node/fileSource';
import { readParameters } from '../../../src/node/native/readParameters';
import { saveSafetensors } from '../../../src/node/saveSafetensors';
import type { Dtype } from '../../../src/weights/dtype';
import { loadParameters } from '../../../src/weights/load';
import { SafetensorsFile } from '../../../src/weights/safetensors';
import { bytesOf, type TensorSource } from '../../../src/weights/source';
import { count, viewOf } from '../../../src/weights/view';
import { onlyWhere } from '../../onlyWhere';

/**
 * Parameters read by native/read.cc against the same read by JavaScript and laid out by tfjs, on a machine where `p2p
 * native install` built it. Elsewhere all of it is reported as skipped.
 */
const built = existsSync(join(cacheFolder(), 'native'));
const native = onlyWhere(built, 'p2p native install was not run here');
let folder: string;
beforeAll(async () => {
  if (built) await chooseBackend('node', { threads: 2 });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Any bits at all, the same every time; among them are infinities, numbers that are none, and the smallest. */
function bits(shape: readonly number[], dtype: Dtype): ArrayBufferView {
  const words = Uint32Array.from({ length: count(shape) }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  return dtype === 'F32' ? words : Uint16Array.from(words, (word) => word >>> 16);
}

/** The same, but all of them finite: none has the highest bit of its exponent. For networks, which refuse others. */
function finiteBits(shape: readonly number[]): ArrayBufferView {
  return (bits(shape, 'F32') as Uint32Array).map((word) => word & ~0x4000_0000);
}

async function stored(
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype: Dtype,
  name = 'w.safetensors',
  data = bits,
): Promise<SafetensorsFile> {
  const path = join(folder, name);
  await saveSafetensors(
    path,
    Object.entries(shapes).map(([key, shape]) => ({ name: key, shape, dtype, data: data(shape, dtype) })),
  );
  return SafetensorsFile.open(await fileBytes(path));
}

/** Not-a-numbers of 16 bits have many forms, which need not survive. */
function same(a: tf.Tensor, b: tf.Tensor, dtype: Dtype): void {
  expect(a.shape).toEqual(b.shape);
  const [left, right] = [a, b].map((tensor) => tensor.dataSync<'float32'>());
  const equal =
    dtype === 'F32'
      ? Buffer.from(left.buffer).equals(Buffer.from(right.buffer))
      : left.every((value, i) => Object.is(value, right[i]));
  expect(equal).toBe(true);
}

async function compare(source: TensorSource, shape: readonly number[], layout: Layout, dtype: Dtype): Promise<void> {
  const before = tf.memory().numTensors;
  const [direct] = (await readParameters([{ parts: [{ place: source.place!('w')!, shape }], layout }])) as [tf.Tensor];
  expect(tf.memory().numTensors).toBe(before + 1);
  const plain = new Scope().parameter('w', shape, layout);
  plain.assign(await source.read('w'));
  tf.tidy(() => same(widened(direct), plain.value, dtype));
  direct.dispose();
  plain.dispose();
  expect(tf.memory().numTensors).toBe(before);
}

/** Smaller and larger than the pieces that are read and turned at a time, and of sizes that fill none. */
const SHAPES: readonly (readonly [Layout, readonly number[]])[] = [
  ['plain', [1]],
  ['plain', [0]],
  ['plain', [3, 5, 7]],
  ['plain', [600_001]],
  ['linear', [1, 1]],
  ['linear', [70, 37]],
  ['linear', [64, 128]],
  ['linear', [35, 9001]],
  ['conv', [33, 20, 3, 3]],
  ['conv', [40, 1200, 3, 3]],
  ['conv', [16, 48, 1, 1]],
  ['conv', [5, 3, 2, 7]],
];

for (const dtype of ['F32', 'F16', 'BF16'] as const) {
  native(`${dtype} in every layout`, async () => {
    for (const [layout, shape] of SHAPES)
      await compare(await stored({ before: [3], w: shape }, dtype), shape, layout, dtype);
  });
}

native('every number of 16 bits', async () => {
  for (const dtype of ['F16', 'BF16'] as const) {
    const path = join(folder, 'all.safetensors');
    await saveSafetensors(path, [
      { name: 'w', shape: [65536], dtype, data: Uint16Array.from({ length: 65536 }, (_, i) => i) },
    ]);
    await compare(await SafetensorsFile.open(await fileBytes(path)), [65536], 'plain', dtype);
  }
});

native("some rows of a tensor, and one without a convolution's axes", async () => {
  const source = await stored({ other: [7], all: [90, 50] }, 'F16');
  await compare(viewOf(source, new Map([['w', { key: 'all', shape: [30, 50], row: 30 }]])), [30, 50], 'linear', 'F16');
  await compare(viewOf(source, new Map([['w', { key: 'all', shape: [45, 50, 2, 1] }]])), [45, 50, 2, 1], 'conv', 'F16');
});

native('layers of weights that are kept in 16 bits compute the same, to the last bit, and have gradients', async () => {
  const layers: readonly [
    shape: readonly number[],
    x: tf.Tensor,
    make: (scope: Scope) => { forward(x: tf.Tensor): tf.Tensor },
  ][] = [
    [[37, 70], tf.randomNormal([3, 70]), (scope) => new Linear(scope, 70, 37)],
    [[768, 640], tf.randomNormal([2, 77, 640]), (scope) => new Linear(scope, 640, 768)], // large enough for tiles of bfloat16
    ...(
      [
        [50, 37, 3, 1],
        [7, 48, 3, 1],
        [9, 5, 1, 0],
        [40, 24, 3, 0],
      ] as const
    ).map(
      ([to, from, size, padding]) =>
        [
          [to, from, size, size],
          tf.randomNormal([2, 9, 8, from]),
          (scope: Scope) => new Conv2d(scope, from, to, size, { padding }),
        ] as (typeof layers)[number],
    ),
  ];
  for (const dtype of ['F16', 'BF16'] as const) {
    for (const [shape, x, make] of layers) {
      const path = join(folder, 'layer.safetensors');
      const data = (size: number): Uint16Array =>
        Uint16Array.from(
          { length: size },
          (_, i) => (i % 2 === 0 ? 0x2c00 : 0xac00) + (Math.imul(i + 1, 0x9e3779b1) % 0x400),
        );
      await saveSafetensors(path, [
        { name: 'weight', shape, dtype, data: data(count(shape)) },
        { name: 'bias', shape: [shape[0]], dtype, data: data(shape[0]) },
      ]);
      const source = await SafetensorsFile.open(await fileBytes(path));
      const [narrow, wide] = [new Scope(), new Scope()];
      const [one, other] = [make(narrow), make(wide)];
      await loadParameters(narrow.parameters, source);
      for (const [name, parameter] of wide.parameters) parameter.assign(await source.read(name));
      expect([narrow, wide].map((scope) => scope.parameters.get('weight')!.bytes)).toEqual([
        2 * count(shape),
        4 * count(shape),
      ]);
      const before = tf.memory().numTensors;
      tf.tidy(() => {
        expect(one.forward(x).dataSync()).toEqual(other.forward(x).dataSync());
        const [a, b] = [one, other].map((layer) =>
          tf
            .grad((again) => tf.sum(layer.forward(again)))(x)
            .dataSync(),
        );
        expect(a).toEqual(b);
      });
      expect(tf.memory().numTensors).toBe(before);
      for (const scope of [narrow, wide]) scope.parameters.forEach((parameter) => parameter.dispose());
    }
  }
  for (const [, x] of layers) x.dispose();
});

native('a whole network, joined layers among it, of one file or of several', async () => {
  const network = (): Scope => {
    const scope = new Scope();
    new JoinedLinear(
      ['to_q', 'to_k', 'to_v'].map((name) => scope.at(name)),
      50,
      40,
    );
    scope.parameter('conv.weight', [6, 5, 3, 3], 'conv');
    scope.parameter('norm.bias', [9]);
    return scope;
  };
  const shapes = { 'to_q.weight': [40, 50], 'norm.bias': [9], 'to_v.weight': [40, 50], 'conv.weight': [6, 5, 3, 3] };
  const [some, rest] = [
    await stored(shapes, 'F32', 'some.safetensors', finiteBits),
    await stored({ 'to_k.weight': [40, 50] }, 'F32', 'rest.safetensors', finiteBits),
  ];
  const owner = (key: string): SafetensorsFile => (some.tensors.has(key) ? some : rest);
  const spread: TensorSource = {
    name: 'spread',
    tensors: new Map([...some.tensors, ...rest.tensors]),
    read: (key) => owner(key).read(key),
  };
  const [direct, plain] = [network(), network()];
  const seen: number[] = [];
  const before = tf.memory().numTensors;
  await loadParameters(
    direct.parameters,
    { ...spread, place: (key) => owner(key).place(key) },
    { onProgress: (loaded) => seen.push(loaded) },
  );
  expect(tf.memory().numTensors).toBe(before + 3);
  expect(seen).toEqual([270, 279, 2279, 4279, 6279]); // In the order of the file; the joined ones together.
  await loadParameters(plain.parameters, spread);
  for (const [name, parameter] of direct.parameters)
    tf.tidy(() => same(parameter.value, plain.parameters.get(name)!.value, 'F32'));
  for (const scope of [direct, plain]) scope.parameters.forEach((parameter) => parameter.dispose());
  expect(tf.memory().numTensors).toBe(before);
});

native('numbers beyond 4 GiB', async () => {
  const path = join(folder, 'large');
  const begin = 5 * 2 ** 30 + 8;
  await writeFile(path, '');
  await truncate(path, begin);
  await appendFile(path, new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer));
  const place = { bytes: await fileBytes(path), begin, dtype: 'F32', key: 'w' } as const;
  const [direct] = (await readParameters([{ parts: [{ place, shape: [2, 3] }], layout: 'linear' }])) as [tf.Tensor];
  expect(direct.arraySync()).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
  direct.dispose();
});

native(
  'what is in memory, or of another dtype, is left to JavaScript; what is stored in several ways beside each other is read',
  async () => {
    const path = join(folder, 'mixed.safetensors');
    await saveSafetensors(path, [
      { name: 'wide', shape: [2], dtype: 'F64', data: Float64Array.of(1, 2) },
      { name: 'half', shape: [1], dtype: 'F16', data: Uint16Array.of(0x3c00) },
      { name: 'w', shape: [1], data: Float32Array.of(7) },
    ]);
    const mixed = await SafetensorsFile.open(await fileBytes(path));
    const inMemory = { bytes: bytesOf(new Uint8Array(8)), begin: 0, dtype: 'F32', key: 'm' } as const;
    const before = tf.memory().numTensors;
    const read = await readParameters(
      [mixed.place('wide'), mixed.place('half'), inMemory, mixed.place('w')].map((place, i) => ({
        parts: [{ place, shape: [i % 2 === 0 ? 2 : 1] }],
        layout: 'plain' as const,
      })),
    );
    expect(read.map((tensor) => tensor && [...tensor.dataSync()])).toEqual([undefined, [1], undefined, [7]]);
    tf.dispose(read.filter((tensor) => tensor !== undefined));
    expect(tf.memory().numTensors).toBe(before);

    await saveSafetensors(path, [{ name: 'w', shape: [2], dtype: 'F64', data: Float64Array.of(1, 2) }]);
    const parameter = new Scope().parameter('w', [2]);
    await loadParameters(new Map([['w', parameter]]), await SafetensorsFile.open(await fileBytes(path)));
    expect([...parameter.value.dataSync()]).toEqual([1, 2]);
    parameter.dispose();
  },
);

native('a file that was changed or cut is an error that leaves nothing', async () => {
  const shapes = { a: [100], b: [100] };
  const source = await stored(shapes, 'F32');
  const scope = new Scope();
  for (const [name, shape] of Object.entries(shapes)) scope.parameter(name, shape);
  const before = tf.memory().numTensors;

  const cut = loadParameters(scope.parameters, {
    name: source.name,
    tensors: source.tensors,
    read: (key) => source.read(key),
    place: (key) => ({ ...source.place(key), begin: source.place(key).begin + 200 }),
  });
  await expect(cut).rejects.toThrow(CheckpointError);
  await expect(cut).rejects.toThrow(/w\.safetensors ended while b was being read\. Load it again\.$/);
  const changes = [
    () => utimes(join(folder, 'w.safetensors'), 1, 1),
    () => appendFile(join(folder, 'w.safetensors'), 'x'),
  ];
  for (const change of changes) {
    const opened = await stored(shapes, 'F32');
    await change();
    await expect(loadParameters(scope.parameters, opened)).rejects.toThrow(
      /w\.safetensors changed while it was being read/,
    );
  }
  expect(tf.memory().numTensors).toBe(before);
  for (const parameter of scope.parameters.values()) expect(() => parameter.value).toThrow(/has no value/);
});
