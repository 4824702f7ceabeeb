import * as tf from '@tensorflow/tfjs';
import { CheckpointError } from '../../src/errors';
import { JoinedLinear } from '../../src/nn/linear';
import { Scope } from '../../src/nn/scope';
import { type DirectReader, registerDirectReader } from '../../src/weights/directReader';
import { loadParameters } from '../../src/weights/load';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { writeSafetensors } from '../../src/weights/safetensorsWriter';
import { type BytePlace, bytesOf, type TensorSource } from '../../src/weights/source';
import { viewOf } from '../../src/weights/view';
import { useBackend } from '../backend';
import { counting } from './memoryTree';

useBackend();

async function sourceOf(shapes: Record<string, readonly number[]>): Promise<TensorSource> {
  return SafetensorsFile.open(bytesOf(await counting(shapes), 'unet.safetensors'));
}

function network(): Scope {
  const scope = new Scope();
  scope.parameter('linear.weight', [2, 3], 'linear');
  scope.parameter('conv.weight', [2, 1, 1, 2], 'conv');
  scope.parameter('norm.bias', [2]);
  return scope;
}

const SHAPES = { 'linear.weight': [2, 3], 'conv.weight': [2, 1, 1, 2], 'norm.bias': [2] };

test("parameters take the checkpoint's numbers, laid out for tfjs", async () => {
  const { parameters } = network();
  await loadParameters(parameters, await sourceOf(SHAPES));
  const values = [...parameters.values()].map(({ value }) => [value.shape, [...value.dataSync()]]);
  expect(values).toEqual([
    [
      [3, 2],
      [0, 3, 1, 4, 2, 5],
    ],
    [
      [1, 2, 1, 2],
      [0, 2, 1, 3],
    ],
    [[2], [0, 1]],
  ]);
  parameters.forEach((parameter) => parameter.dispose());
});

test('progress counts the numbers loaded, up to all of them', async () => {
  const { parameters } = network();
  const seen: [number, number][] = [];
  await loadParameters(parameters, await sourceOf(SHAPES), {
    onProgress: (loaded, total) => seen.push([loaded, total]),
  });
  expect(seen).toHaveLength(3);
  expect(seen.at(-1)).toEqual([12, 12]);
  parameters.forEach((parameter) => parameter.dispose());
});

test('missing, left-over and mis-shaped tensors are all named in one error', async () => {
  const source = await sourceOf({ 'linear.weight': [3, 2], 'norm.bias': [2], 'other.bias': [1] });
  const loading = loadParameters(network().parameters, source);
  await expect(loading).rejects.toThrow(CheckpointError);
  await expect(loading).rejects.toThrow(
    /^unet\.safetensors does not fit its config\.\n {2}missing: conv\.weight\n {2}not in the network: other\.bias\n {2}of another shape: linear\.weight \[3, 2\] instead of \[2, 3\]\n/,
  );
});

test('a long list of names is cut, and the rest counted', async () => {
  const scope = new Scope();
  for (let i = 0; i < 100; i++) scope.parameter(`layers.${i}.bias`, [1]);
  await expect(loadParameters(scope.parameters, await sourceOf({}))).rejects.toThrow(/layers\.11\.bias and 88 more/);
});

test('a network that could not be loaded whole is left without values and without tensors', async () => {
  const { parameters } = network();
  const source = await sourceOf(SHAPES);
  const broken: TensorSource = {
    name: source.name,
    tensors: source.tensors,
    read: (key) => (key === 'norm.bias' ? Promise.reject(new Error('gone')) : source.read(key)),
  };
  const before = tf.memory().numTensors;
  await expect(loadParameters(parameters, broken)).rejects.toThrow('gone');
  expect(tf.memory().numTensors).toBe(before);
  for (const parameter of parameters.values()) expect(() => parameter.value).toThrow(/has no value/);
});

describe('numbers that are not finite', () => {
  const withNumbers = async (dtype: 'F32' | 'F64' | 'F16', data: ArrayBufferView): Promise<TensorSource> =>
    SafetensorsFile.open(
      bytesOf(await writeSafetensors([{ name: 'norm.bias', shape: [4], dtype, data }]), 'unet.safetensors'),
    );
  const load = async (source: TensorSource): Promise<void> => {
    const scope = new Scope();
    scope.parameter('norm.bias', [4]);
    const before = tf.memory().numTensors;
    try {
      await loadParameters(scope.parameters, source);
    } finally {
      scope.parameters.forEach((parameter) => parameter.dispose());
      expect(tf.memory().numTensors).toBe(before);
    }
  };

  test.each([
    [
      'NaN',
      'F32',
      Float32Array.of(1, NaN, 2, NaN),
      '2 of 4 numbers that are not finite in float32, the first (NaN) at 1',
    ],
    [
      'infinity',
      'F32',
      Float32Array.of(1, 2, 3, -Infinity),
      '1 of 4 numbers that are not finite in float32, the first (-Infinity) at 3',
    ],
    ['infinity of 16 bits', 'F16', Uint16Array.of(0x7c00, 0, 0, 0), 'the first (Infinity) at 0'],
    ['what overflows float32', 'F64', Float64Array.of(0, 0, 1e39, 0), 'the first (Infinity) at 2'],
  ] as const)('are named with their tensor: %s', async (_, dtype, data, message) => {
    const source = await withNumbers(dtype, data);
    await expect(load(source)).rejects.toThrow(`unet.safetensors: norm.bias has`);
    await expect(load(source)).rejects.toThrow(message);
  });

  test('are named where the backend has read them by itself, too', async () => {
    const source = await withNumbers('F32', Float32Array.of(1, NaN, 2, 3));
    const back = registerDirectReader(tf.getBackend(), async (wanted) =>
      Promise.all(
        wanted.map(async ({ parts: [{ place, shape }] }) => tf.tensor(await source.read(place.key), [...shape])),
      ),
    );
    await expect(load(source).finally(back)).rejects.toThrow('norm.bias has 1 of 4 numbers');
  });
});

test('of parameters that lie in memory as one, each is looked at', async () => {
  const scope = new Scope();
  new JoinedLinear([scope.at('q'), scope.at('k')], 1, 2);
  const tensors = ['q', 'k'].map((name) => ({
    name: `${name}.weight`,
    shape: [2, 1],
    data: Float32Array.of(1, name === 'k' ? Infinity : 2),
  }));
  const source = await SafetensorsFile.open(bytesOf(await writeSafetensors(tensors), 'unet.safetensors'));
  const before = tf.memory().numTensors;
  const back = registerDirectReader(tf.getBackend(), async (wanted) =>
    wanted.map(() => tf.tensor2d([[1, 2, 1, Infinity]])),
  );
  await expect(loadParameters(scope.parameters, source).finally(back)).rejects.toThrow('k.weight has 1 of 2 numbers');
  expect(tf.memory().numTensors).toBe(before);
});

test.each([
  [{ 'attn.base_layer.weight': [1], 'attn.lora_A.default.weight': [1] }, /a LoRA that was not merged.*fuse_lora/],
  [{ 'attn.lora_down.weight': [1] }, /a LoRA that was not merged/],
  [{ 'norm.scale_weight': [1] }, /scales of 8-bit floats.*F16/],
  [{ scaled_fp8: [1] }, /scales of 8-bit floats/],
  [{ 'other.weight': [1] }, /Give the config that the weights were saved with/],
])('tensors that no network has are named with what to do: %j', async (shapes, message) => {
  const source = await sourceOf({ ...SHAPES, ...shapes });
  await expect(loadParameters(network().parameters, source)).rejects.toThrow(message);
});

test('loading again takes the place of what was loaded before', async () => {
  const { parameters } = network();
  await loadParameters(parameters, await sourceOf(SHAPES));
  const before = tf.memory().numTensors;
  await loadParameters(parameters, await sourceOf(SHAPES));
  expect(tf.memory().numTensors).toBe(before);
  parameters.forEach((parameter) => parameter.dispose());
});

describe('a backend that reads by itself', () => {
  const reading = async (reader: DirectReader, body: () => Promise<void>): Promise<void> => {
    const back = registerDirectReader(tf.getBackend(), reader);
    await body().finally(back);
  };

  test('is given what lies side by side in one go, and its tensor is taken as it is', async () => {
    const scope = new Scope();
    const joined = new JoinedLinear([scope.at('q'), scope.at('k')], 1, 2);
    scope.parameter('bias', [1]);
    const asked: unknown[] = [];
    const seen: number[] = [];
    const reader: DirectReader = async (wanted) =>
      wanted.map(({ parts, layout }) => {
        asked.push([parts.map(({ place, shape }) => [place.key, place.dtype, shape]), layout]);
        return layout === 'linear' ? tf.tensor2d([[5, 6, 7, 8]]) : undefined;
      });
    const before = tf.memory().numTensors;
    await reading(reader, async () =>
      loadParameters(scope.parameters, await sourceOf({ 'k.weight': [2, 1], bias: [1], 'q.weight': [2, 1] }), {
        onProgress: (loaded) => seen.push(loaded),
      }),
    );
    const parts = [
      ['q.weight', 'F32', [2, 1]],
      ['k.weight', 'F32', [2, 1]],
    ];
    expect(asked).toContainEqual([parts, 'linear']);
    expect(asked).toContainEqual([[['bias', 'F32', [1]]], 'plain']);
    expect(asked).toHaveLength(2);
    expect(seen.at(-1)).toBe(5);
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.tidy(() => expect(joined.forward(tf.ones([1, 1])).arraySync()).toEqual([[5, 6, 7, 8]]));
    expect([...scope.parameters.get('bias')!.value.dataSync()]).toEqual([0]);
    scope.parameters.forEach((parameter) => parameter.dispose());
  });

  test('that fails leaves no value and no tensor', async () => {
    const { parameters } = network();
    const before = tf.memory().numTensors;
    const source = await sourceOf(SHAPES);
    await reading(
      () => Promise.reject(new Error('gone')),
      () => expect(loadParameters(parameters, source)).rejects.toThrow('gone'),
    );
    // What it leaves to others fails after it has read the rest.
    const some: DirectReader = async (wanted) =>
      wanted.map(({ parts: [{ shape }] }) => (shape.length === 1 ? undefined : tf.zeros([...shape])));
    const broken: TensorSource = {
      name: source.name,
      tensors: source.tensors,
      read: () => Promise.reject(new Error('gone too')),
      place: (key) => source.place!(key),
    };
    await reading(some, () => expect(loadParameters(parameters, broken)).rejects.toThrow('gone too'));
    expect(tf.memory().numTensors).toBe(before);
    for (const parameter of parameters.values()) expect(() => parameter.value).toThrow(/has no value/);
  });
});

test('rows of a tensor lie where the tensor does, further on; rows that begin within a byte lie nowhere', async () => {
  const source = await sourceOf({ first: [3], all: [4, 5] });
  const view = (from: TensorSource): TensorSource =>
    viewOf(from, new Map([['w', { key: 'all', shape: [2, 5], row: 2 }]]));
  const { begin } = source.place!('all')!;
  expect(view(source).place!('w')).toMatchObject({ begin: begin + 2 * 5 * 4, dtype: 'F32', key: 'all' });
  const tensors = new Map([['all', { dtype: 'F4', shape: [4, 5] }]] as const);
  const place = (): BytePlace => ({ bytes: bytesOf(new Uint8Array(10)), begin: 0, dtype: 'F4', key: 'all' });
  const rows = (row: number): TensorSource =>
    viewOf(
      { name: source.name, read: (key) => source.read(key), tensors, place },
      new Map([['w', { key: 'all', shape: [1, 5], row }]]),
    );
  expect(rows(2).place!('w')).toMatchObject({ begin: 5 });
  expect(rows(1).place!('w')).toBeUndefined();
  expect(() => rows(1).place!('other')).toThrow(/has no tensor other/);
  expect(
    viewOf(
      { name: source.name, read: (key) => source.read(key), tensors: source.tensors },
      new Map([['w', { key: 'all', shape: [4, 5] }]]),
    ).place!('w'),
  ).toBeUndefined();
});
