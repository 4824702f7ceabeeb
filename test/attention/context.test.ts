import * as tf from '@tensorflow/tfjs';
import { Attention } from '../../src/attention/attention';
import { FixedContext } from '../../src/attention/context';
import type { AttentionController, Qkv } from '../../src/attention/controller';
import { Scope } from '../../src/nn/scope';
import { TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';
import { evaluation } from './mapLayer';

useBackend();

const grid = { height: 2, width: 3 };
let parameters: Scope['parameters'];
let layer: Attention;
let hidden: tf.Tensor3D;
let prompts: tf.Tensor3D;

beforeEach(() => {
  tf.engine().startScope();
  const generator = new TorchGenerator(2);
  const scope = new Scope('mid_block.attn2');
  layer = new Attention(scope, { kind: 'cross', place: 'mid', queryDim: 12, contextDim: 10, heads: 3, headSize: 4 });
  parameters = scope.parameters;
  for (const parameter of parameters.values()) parameter.assign(generator.randn(parameter.shape));
  hidden = tf.tensor3d(generator.randn([4, 6, 12]), [4, 6, 12]);
  prompts = tf.tensor3d(generator.randn([3, 5, 10]), [3, 5, 10]);
});
afterEach(() => {
  for (const parameter of parameters.values()) parameter.dispose();
  tf.engine().endScope();
});

const rows = [0, 0, 1, 2];
const repeated = (): tf.Tensor3D => tf.gather(prompts, tf.tensor1d(rows, 'int32'));
const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];

test('a fixed context gives what its rows give as a tensor, and frees all it kept', () => {
  const expected = layer.forward(hidden, repeated(), grid);
  const before = tf.memory().numTensors;
  const context = new FixedContext(prompts, rows);
  expect(context.shape).toEqual([4, 5, 10]);
  const outputs = [0, 1].map(() => layer.forward(hidden, context, grid));
  context.dispose();
  expect(prompts.isDisposed).toBe(true);
  expect(tf.memory().numTensors).toBe(before - 1 + outputs.length);
  for (const output of outputs) expect(difference(output, expected)).toBeLessThan(1e-6);
});

test('keys and values are computed at the first call of a site only', () => {
  const context = new FixedContext(prompts, rows);
  const first = layer.forward(hidden, context, grid);
  for (const name of ['to_k', 'to_v']) parameters.get(`mid_block.attn2.${name}.weight`)!.assign(new Float32Array(120));
  expect(difference(layer.forward(hidden, context, grid), first)).toBe(0);
  context.dispose();
});

test('a controller may replace keys and values, and keep and free those it was given', () => {
  const context = new FixedContext(prompts, rows);
  const plain = layer.forward(hidden, context, grid);
  const kept: Qkv[] = [];
  const controller: AttentionController = {
    wants: () => ['qkv'],
    onQkv: ({ q, k, v }) => {
      kept.push({ q, k: tf.keep(k), v: tf.keep(v) });
      return { q, k, v: tf.mul(v, 0) };
    },
  };
  const bias = parameters.get('mid_block.attn2.to_out.0.bias')!.value;
  expect(
    difference(layer.forward(hidden, context, grid, { controller, evaluation: evaluation({ prompts: 2 }) }), bias),
  ).toBe(0);
  for (const { k, v } of kept) tf.dispose([k, v]);
  expect(difference(layer.forward(hidden, context, grid), plain)).toBe(0);
  context.dispose();
});

test('the gradient of what attends is the same, and one flows to a context that is a tensor', () => {
  const context = new FixedContext(prompts.clone(), rows);
  const loss = (x: tf.Tensor, text: tf.Tensor3D | FixedContext): tf.Scalar =>
    tf.sum(tf.square(layer.forward(x as tf.Tensor3D, text, grid)));
  const tensor = repeated();
  const [expected, ofContext] = tf.grads((x: tf.Tensor, text: tf.Tensor) => loss(x, text as tf.Tensor3D))([
    hidden,
    tensor,
  ]);
  expect(difference(tf.grad((x: tf.Tensor) => loss(x, context))(hidden), expected)).toBeLessThan(1e-3);
  expect(tf.max(tf.abs(ofContext)).dataSync()[0]).toBeGreaterThan(0.1);
  context.dispose();
});
