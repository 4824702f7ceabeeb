import * as tf from '@tensorflow/tfjs';
import { classifierFree } from '../../src/guidance/classifierFree';
import { guidancesOf, guide, rolesOf } from '../../src/guidance/combined';
import type { Guidance, GuidanceCall } from '../../src/guidance/guidance';
import { useBackend } from '../backend';

useBackend();

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
