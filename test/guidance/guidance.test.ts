import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { adaptiveProjected } from '../../src/guidance/adaptiveProjected';
import { classifierFree } from '../../src/guidance/classifierFree';
import { guidancesOf, guide, rolesOf } from '../../src/guidance/combined';
import type { Guidance, GuidanceCall } from '../../src/guidance/guidance';
import { projectedAbove } from '../../src/guidance/projectedAbove';
import { fileBytes } from '../../src/node/fileSource';
import type { RunOptions } from '../../src/options';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { useBackend } from '../backend';
import { openWith } from '../inversion/fixture';
import { deviation } from '../parity/comparison';
import { lastLatents } from '../parity/edits';

useBackend();

const SCHEDULER = JSON.parse(readFileSync('test/fixtures/checkpoint/scheduler/scheduler_config.json', 'utf8'));

const all = (value: number): tf.Tensor4D => tf.fill([1, 2, 2, 1], value);
const guided = (option: Parameters<typeof guidancesOf>[0], byRole: Record<string, number>): number[] =>
  tf.tidy(() => {
    const predictions = Object.fromEntries(Object.entries(byRole).map(([role, value]) => [role, all(value)]));
    const call = {
      step: 0,
      steps: 1,
      timestep: 981,
      prompts: [0],
      latents: all(0),
      original: (prediction) => prediction,
      evaluate: () => all(0),
    } as GuidanceCall;
    return [...new Set(guide(guidancesOf(option), predictions as never, call).dataSync())];
  });

/** Adds `scale` times what its own rows predict otherwise. */
const perturbed = (scale: number, text: Guidance['rows'][0]['text'] = 'prompt'): Guidance => ({
  name: `perturbed(${scale})`,
  rows: [{ role: 'perturbed', text }],
  guide: (prediction, { conditional, perturbed }) => tf.add(prediction, tf.mul(tf.sub(conditional, perturbed), scale)),
});

test.each([
  [1.5, 4],
  [7.5, 16],
])('at scale %p goes from 1 towards 3 to %p', (scale, expected) => {
  expect(guided(scale, { unconditional: 1, conditional: 3 })).toEqual([expected]);
});

test.each([1, 0.5, 0, -2])('at scale %p there is the prompt alone', (scale) => {
  expect(classifierFree(scale).rows).toEqual([]);
  expect(guided(scale, { conditional: 3 })).toEqual([3]);
});

test.each([Number.NaN, Infinity, -Infinity])('a scale of %p is refused', (scale) => {
  expect(() => guidancesOf(scale)).toThrow(`The guidance is ${scale}: it must be a finite number.`);
});

test('no scale is refused', () => {
  expect(() => classifierFree([])).toThrow('There is no scale of guidance');
});

test('several compose, in either order', () => {
  const predictions = { unconditional: 1, conditional: 3, perturbed: 2 };
  expect(guided([classifierFree(7.5), perturbed(2)], predictions)).toEqual([18]);
  expect(guided([perturbed(2), classifierFree(7.5)], predictions)).toEqual([18]);
});

test('unconditional rows come first, then conditional ones, then others, each role once', () => {
  const roles = (...guidances: Guidance[]) => rolesOf(guidances).map(({ role }) => role);
  expect(roles(perturbed(1), classifierFree(2), perturbed(3))).toEqual(['unconditional', 'conditional', 'perturbed']);
  expect(roles()).toEqual(['conditional']);
});

test('one role for two texts is refused', () => {
  expect(() => guidancesOf([perturbed(1), perturbed(2, { of: '' })])).toThrow(
    'The guidance perturbed(2) wants perturbed rows that read {"of":""}, but others with that role read "prompt".',
  );
});

test.each([
  ['apg', 'epsilon', undefined],
  ['apg, partly', 'epsilon', { eta: 0.5, norm: 20 }],
  ['apg, v-prediction', 'v_prediction', { norm: 20 }],
])("adaptive projected guidance: diffusers' latents (%s)", async (name, prediction_type, options) => {
  const before = tf.memory().numTensors;
  const pipe = await openWith({ ...SCHEDULER, prediction_type });
  const golden = await SafetensorsFile.open(await fileBytes('test/fixtures/guidance/latents.safetensors'));
  const expected = tf.tensor4d(await golden.read(name), [1, 16, 16, 4]);
  const last = (run: RunOptions) =>
    lastLatents(pipe.run(['a cat riding a bicycle'], { steps: 5, sampler: 'ddim', ...run }));
  const made = [await last({ guidance: adaptiveProjected(7.5, options) })];
  if (!options) made.push(await last({ guidance: 7.5, projectAbove: 1 }));
  for (const one of made) expect(await deviation(one, expected)).toBeLessThan(1e-3);
  for (const one of [pipe, expected, ...made]) one.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('adaptive projected guidance leaves out only what is parallel to the picture', () => {
  const call = { prompts: [0], original: (x: tf.Tensor4D) => tf.mul(x, 2) } as unknown as GuidanceCall;
  const guided = (eta: number): number[] =>
    tf.tidy(() => {
      const [conditional, unconditional] = [tf.tensor4d([3, 0], [1, 1, 1, 2]), tf.tensor4d([1, -4], [1, 1, 1, 2])];
      const { guide } = adaptiveProjected(2, { eta });
      return [...guide(conditional, { conditional, unconditional }, call).dataSync()];
    });
  expect(guided(0)).toEqual([3, 4]);
  expect(guided(0.5)).toEqual([4, 4]);
  expect(guided(1)).toEqual([5, 4]);
});

test.each([
  [{ eta: 1.5 }, 'eta is 1.5: it must be from 0 to 1.'],
  [{ norm: 0 }, 'norm is 0: it must be over 0.'],
])('adaptive projected guidance refuses %j', (options, message) => {
  expect(() => adaptiveProjected(7.5, options)).toThrow(message);
});

test('guidance is projected the more, the more it exceeds the limit, and without a jump', () => {
  const nameAt = (scale: number): string => projectedAbove(3, scale).name;
  expect([1, 2, 3].map(nameAt)).toEqual(['classifierFree(1)', 'classifierFree(2)', 'classifierFree(3)']);
  expect([3.5, 4, 5, 7.5].map(nameAt)).toEqual([
    'adaptiveProjected(3.5, 0.6)',
    `adaptiveProjected(4, ${1 / 3})`,
    'adaptiveProjected(5, 0)',
    'adaptiveProjected(7.5, 0)',
  ]);
  expect(projectedAbove(1, 2).name).toBe('adaptiveProjected(2, 0)');
  expect(projectedAbove(100, 200).name).toBe('classifierFree(200)');
  expect(() => projectedAbove(Number.NaN, 2)).toThrow('projectAbove is NaN: it must be a finite number.');
});
