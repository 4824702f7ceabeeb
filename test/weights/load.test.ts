import * as tf from '@tensorflow/tfjs';
import { Scope } from '../../src/nn/scope';
import { CheckpointError } from '../../src/weights/error';
import { loadParameters } from '../../src/weights/load';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { type TensorSource, bytesOf } from '../../src/weights/source';
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

test('parameters take the checkpoint\'s numbers, laid out for tfjs', async () => {
  const { parameters } = network();
  await loadParameters(parameters, await sourceOf(SHAPES));
  const values = [...parameters.values()].map(({ value }) => [value.shape, [...value.dataSync()]]);
  expect(values).toEqual([[[3, 2], [0, 3, 1, 4, 2, 5]], [[1, 2, 1, 2], [0, 2, 1, 3]], [[2], [0, 1]]]);
  parameters.forEach((parameter) => parameter.dispose());
});

test('progress counts the numbers loaded, up to all of them', async () => {
  const { parameters } = network();
  const seen: [number, number][] = [];
  await loadParameters(parameters, await sourceOf(SHAPES), { onProgress: (loaded, total) => seen.push([loaded, total]) });
  expect(seen).toHaveLength(3);
  expect(seen.at(-1)).toEqual([12, 12]);
  parameters.forEach((parameter) => parameter.dispose());
});

test('missing, left-over and mis-shaped tensors are all named in one error', async () => {
  const source = await sourceOf({ 'linear.weight': [3, 2], 'norm.bias': [2], 'other.bias': [1] });
  const loading = loadParameters(network().parameters, source);
  await expect(loading).rejects.toThrow(CheckpointError);
  await expect(loading).rejects.toThrow(/^unet\.safetensors does not fit its config\.\n  missing: conv\.weight\n  not in the network: other\.bias\n  of another shape: linear\.weight \[3, 2\] instead of \[2, 3\]\n/);
});

test('a long list of names is cut, and the rest counted', async () => {
  const scope = new Scope();
  for (let i = 0; i < 100; i++) scope.parameter(`layers.${i}.bias`, [1]);
  await expect(loadParameters(scope.parameters, await sourceOf({}))).rejects.toThrow(/layers\.11\.bias and 88 more/);
});

test('a network that could not be loaded whole is left without values and without tensors', async () => {
  const { parameters } = network();
  const source = await sourceOf(SHAPES);
  const broken: TensorSource = { name: source.name, tensors: source.tensors, read: (key) => (key === 'norm.bias' ? Promise.reject(new Error('gone')) : source.read(key)) };
  const before = tf.memory().numTensors;
  await expect(loadParameters(parameters, broken)).rejects.toThrow('gone');
  expect(tf.memory().numTensors).toBe(before);
  for (const parameter of parameters.values()) expect(() => parameter.value).toThrow(/has no value/);
});

test('loading again takes the place of what was loaded before', async () => {
  const { parameters } = network();
  await loadParameters(parameters, await sourceOf(SHAPES));
  const before = tf.memory().numTensors;
  await loadParameters(parameters, await sourceOf(SHAPES));
  expect(tf.memory().numTensors).toBe(before);
  parameters.forEach((parameter) => parameter.dispose());
});
