/** The alignments, schedules and controllers against the authors' own, on random maps: see test/fixtures/attention.py. */
import * as tf from '@tensorflow/tfjs';
import { refinement, replacement } from '../../src/attention/alignment';
import type { AttentionCall, AttentionController, AttentionKind, Evaluation, Place, Qkv } from '../../src/attention/controller';
import { promptToPrompt } from '../../src/attention/promptToPrompt';
import { injectionSchedule } from '../../src/attention/schedule';
import { openCheckpoint } from '../../src/node/checkpoint';
import { TorchGenerator } from '../../src/sampler/noise';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { useBackend } from '../backend';
import { readCases, Tensors, type Case } from './fixture';
import { evaluation } from './mapLayer';

useBackend();

const STEPS = 10;
const SITES = sites('down cross 1x2', 'down self 1x2', 'up cross 1x3');
const BLEND_SITES = sites(
  'down cross 32x32', 'down cross 32x32', 'down cross 16x16', 'down cross 16x16', 'mid cross 8x8',
  'up cross 16x16', 'up cross 16x16', 'up cross 16x16', 'up cross 32x32',
);
const cases = readCases();
let tokenizer: CLIPTokenizer;
let expected: Tensors;

beforeAll(async () => {
  tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  expected = await Tensors.open('controllers.safetensors');
});

test.each(cases)('$name: words are aligned as the reference does it', async ({ name, prompts, kind }) => {
  const [source, ...targets] = prompts.map((prompt) => tokenizer.tokenize(prompt));
  const alignments = targets.map((target) => (kind === 'replace' ? replacement : refinement)(source, target));
  const mapper = await expected.read(`${name}.mapper`);
  if (kind === 'replace') {
    expect(alignments.map(({ matrix }) => [...matrix])).toEqual(tf.reshape(mapper, [targets.length, -1]).arraySync());
    return;
  }
  const sources = mapper.arraySync() as number[][];
  const aligned = (await expected.read(`${name}.aligned`)).arraySync() as number[][];
  alignments.forEach((alignment, i) => {
    expect([...alignment.aligned]).toEqual(aligned[i]);
    const columns = aligned[i].map((is, t) => Array.from({ length: alignment.length }, (_, s) => (s === sources[i][t] ? is : 0)));
    expect(columns).toEqual(columns.map((_, t) => columns.map((_row, s) => alignment.matrix[s * alignment.length + t])));
  });
});

test.each(cases)('$name: is taken for the edit that it is', ({ kind, ...options }) => {
  expect(promptToPrompt({ tokenizer, ...options }).edits).toEqual(options.prompts.slice(1).map(() => kind));
});

test.each(cases)('$name: steps are scheduled as the reference does it', async ({ name, prompts, cross, crossWords }) => {
  const targets = prompts.slice(1).map((prompt) => tokenizer.tokenize(prompt));
  const schedule = injectionSchedule(targets, { default: cross, words: crossWords });
  const rows = Array.from({ length: STEPS + 1 }, (_, step) => targets.map((_target, i) => [...schedule(i, step, STEPS)]));
  expect(rows).toEqual((await expected.read(`${name}.alphas`)).arraySync());
});

test.each(cases.filter(({ blend }) => !blend))('$name: maps are edited as the reference does it', async (edit) => {
  const controller = promptToPrompt({ tokenizer, ...edit, edit: edit.kind });
  const count = edit.prompts.length;
  for (let step = 0; step < STEPS; step += 1) {
    for (const [i, site] of SITES.entries()) {
      const call = at(site, evaluation({ prompts: count, step, steps: STEPS }), 2);
      const wanted = await expected.read<tf.Tensor4D>(`${edit.name}.probs.${step}.${i}`);
      const difference = tf.tidy(() => {
        const { before, after } = ask(controller, call, step * 100 + i);
        expect(differenceOf(tf.slice(after, 0, count + 1), tf.slice(before, 0, count + 1))).toBe(0);
        return differenceOf(tf.slice(after, count + 1), wanted);
      });
      wanted.dispose();
      expect(difference).toBeLessThan(2e-6 * largestWeight(edit));
    }
  }
});

test.each(cases.filter(({ blend }) => blend))('$name: latents are blended as the reference does it', async (edit) => {
  const controller = promptToPrompt({ tokenizer, ...edit, edit: edit.kind });
  const count = edit.prompts.length;
  const latents = { height: 32, width: 32 };
  controller.begin!({ prompts: count, steps: STEPS, latents });
  for (let step = 0; step < STEPS; step += 1) {
    const now = evaluation({ prompts: count, step, steps: STEPS, latents });
    for (const [i, site] of BLEND_SITES.entries()) {
      const call = at(site, now, 1);
      if (controller.wants(call).length > 0) tf.tidy(() => { ask(controller, call, i); });
    }
    const wanted = await expected.read<tf.Tensor4D>(`${edit.name}.latents.${step}`);
    const difference = tf.tidy(() => {
      const before = tf.tensor4d(randn(step, [count, 1, 32, 32]), [count, 32, 32, 1]);
      return differenceOf(tf.slice(controller.onLatents!(before, now), 1), wanted);
    });
    wanted.dispose();
    expect(difference).toBeLessThan(1e-5);
  }
  controller.end!();
}, 120_000);

interface Site {
  place: Place;
  kind: AttentionKind;
  height: number;
  width: number;
}

function sites(...names: string[]): Site[] {
  return names.map((name) => {
    const [place, kind, size] = name.split(' ');
    const [height, width] = size.split('x').map(Number);
    return { place: place as Place, kind: kind as AttentionKind, height, width };
  });
}

function at({ place, kind, height, width }: Site, now: Evaluation, heads: number): AttentionCall {
  const keys = kind === 'self' ? height * width : tokenizer.maxLength;
  return { ...now, site: { path: `${place}.${height}x${width}`, kind, place, heads, headSize: 4 }, grid: { height, width }, keys };
}

/** Random maps as the fixture's script makes them, before and after a controller. */
function ask(controller: AttentionController, call: AttentionCall, seed: number): { before: tf.Tensor4D; after: tf.Tensor4D } {
  const { site: { kind, heads, headSize }, grid, keys, rows } = call;
  const queries = grid.height * grid.width;
  const wanted = controller.wants(call);
  if (kind === 'self') {
    const shape: [number, number, number, number] = [rows.length, heads, queries, headSize];
    const size = shape.reduce((a, b) => a * b);
    const numbers = randn(seed, [2, ...shape]);
    const [q, k] = [tf.tensor4d(numbers.slice(0, size), shape), tf.tensor4d(numbers.slice(size), shape)];
    const probs = (x: Pick<Qkv, 'q' | 'k'>): tf.Tensor4D => tf.softmax(tf.matMul(tf.mul(x.q, headSize ** -0.5), x.k, false, true)) as tf.Tensor4D;
    return { before: probs({ q, k }), after: probs(wanted.includes('qkv') ? controller.onQkv!({ q, k, v: q }, call) : { q, k }) };
  }
  const shape: [number, number, number, number] = [rows.length, heads, queries, keys];
  const before = tf.softmax(tf.mul(tf.tensor4d(randn(seed, shape), shape), 6)) as tf.Tensor4D;
  const after = wanted.includes('probs') ? controller.onProbs!(before, call) : before;
  return { before, after };
}

const drawn = new Map<string, Float32Array>();

/** `torch.randn`, drawn once: jest makes every call of Math slow. */
function randn(seed: number, shape: readonly number[]): Float32Array {
  const key = `${seed} ${shape}`;
  const numbers = drawn.get(key) ?? new TorchGenerator(seed).randn(shape);
  drawn.set(key, numbers);
  return numbers;
}

function differenceOf(a: tf.Tensor, b: tf.Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];
}

function largestWeight({ weights = {} }: Case): number {
  return Math.max(1, ...Object.values(weights).map(Math.abs));
}
