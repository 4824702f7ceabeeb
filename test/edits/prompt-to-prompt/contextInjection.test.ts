import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, Qkv } from '../../../src/attention/controller';
import { refinement, replacement, sharedTokens } from '../../../src/edits/prompt-to-prompt/alignment';
import { contextInjection } from '../../../src/edits/prompt-to-prompt/contextInjection';
import { promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import type { Injection } from '../../../src/edits/prompt-to-prompt/schedule';
import { evaluation } from '../../attention/mapLayer';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { useBackend } from '../../backend';

useBackend();

const tokenizer = toyTokenizer(6);
const [cat, dog, small] = ['a cat here', 'a dog here', 'a small cat here'].map((prompt) => tokenizer.tokenize(prompt));
const CROSS = { path: 'attn2', kind: 'cross', place: 'up', heads: 1, headSize: 1 } as const;

const callAt = (step: number, prompts: number, kind: 'cross' | 'self' = 'cross'): AttentionCall => ({
  ...evaluation({ prompts, step }),
  site: { ...CROSS, kind },
  grid: { height: 1, width: 1 },
  keys: 6,
});

/** Of each row of a batch of that many prompts: 10 x row + token, as keys and, negative, as values. */
function keysAndValues(rows: number): Qkv {
  const k = tf.tensor4d(
    Array.from({ length: rows * 6 }, (_, i) => 10 * Math.floor(i / 6) + (i % 6)),
    [rows, 1, 6, 1],
  );
  return { q: tf.zeros([rows, 1, 1, 1]), k, v: tf.neg(k) };
}

const numbers = (x: tf.Tensor, row: number): number[] => [...tf.slice(x, row, 1).dataSync()];

test('tokens that both prompts have are shared, wherever they stand; a swapped or a new one is not', () => {
  expect(sharedTokens(cat, dog, replacement(cat, dog))).toEqual([0, 1, undefined, 3, 4, 5]);
  expect(sharedTokens(cat, small, refinement(cat, small))).toEqual([0, 1, undefined, 2, 3, 4]);
});

test("targets take the source's keys and values of shared tokens; the source and the rows without text keep theirs", () => {
  const controller = contextInjection({
    source: cat,
    targets: [dog, small],
    alignments: [replacement(cat, dog), refinement(cat, small)],
  });
  tf.tidy(() => {
    const before = keysAndValues(6);
    const { q, k, v } = controller.onQkv!(before, callAt(0, 3));
    expect(q).toBe(before.q);
    for (const row of [0, 1, 2, 3]) expect(numbers(k, row)).toEqual(numbers(before.k, row));
    expect(numbers(k, 4)).toEqual([30, 31, 42, 43, 34, 35]);
    expect(numbers(k, 5)).toEqual([30, 31, 52, 53, 33, 34]);
    expect(numbers(v, 5)).toEqual(numbers(tf.neg(k), 5));
  });
});

test('it needs an alignment for each target, and to know each target of the batch', () => {
  const alignments = [replacement(cat, dog)];
  expect(() => contextInjection({ source: cat, targets: [dog, small], alignments })).toThrow(
    '2 targets and 1 alignments: give one for each',
  );
  const controller = contextInjection({ source: cat, targets: [dog], alignments });
  expect(() => tf.tidy(() => controller.onQkv!(keysAndValues(6), callAt(0, 3)).k)).toThrow(
    'target prompt 2, but this controller was made for 1',
  );
});

test('the word after a new one keeps its own meaning, whole, unless it is given a share', () => {
  const [source, target] = ['a b|c d', 'a new b|c d'].map(toyTokenizer(7).tokenize);
  const keys = (during: Injection): number[] => {
    const controller = contextInjection({
      source,
      targets: [target],
      alignments: [refinement(source, target)],
      during,
    });
    const k = tf.tensor4d(
      [0, 1].flatMap((row) => Array.from({ length: 7 }, (_, i) => 10 * row + i)),
      [2, 1, 7, 1],
    );
    const call = { ...callAt(0, 2), rows: callAt(0, 2).rows.slice(2), keys: 7 };
    return numbers(controller.onQkv!({ q: k, k, v: k }, call).k, 1);
  };
  tf.tidy(() => {
    expect(keys(1)).toEqual([0, 1, 12, 13, 14, 4, 5]);
    expect(keys({ words: { bc: 1 } })).toEqual([0, 1, 12, 2, 3, 4, 5]);
  });
});

test("keys after the tokens, which another controller has added, stay each row's own", () => {
  const four = toyTokenizer(4); // <start>, a, cat, <end>: two of the six keys are added
  const [source, target] = ['a cat', 'a dog'].map((prompt) => four.tokenize(prompt));
  const controller = contextInjection({ source, targets: [target], alignments: [replacement(source, target)] });
  tf.tidy(() => {
    const before = keysAndValues(4);
    const { k, v } = controller.onQkv!(before, callAt(0, 2));
    expect(numbers(k, 2)).toEqual(numbers(before.k, 2));
    expect(numbers(k, 3)).toEqual([20, 21, 32, 23, 34, 35]);
    expect(numbers(v, 3)).toEqual(numbers(tf.neg(k), 3));
  });
});

test('only at cross sites, only during its share of the steps', () => {
  const { wants } = contextInjection({ source: cat, targets: [dog], alignments: [replacement(cat, dog)], during: 0.5 });
  expect(wants(callAt(4, 2))).toEqual(['qkv']);
  expect(wants(callAt(5, 2))).toEqual([]);
  expect(wants(callAt(0, 2, 'self'))).toEqual([]);
  expect(() =>
    contextInjection({ source: cat, targets: [dog], alignments: [replacement(cat, dog)], during: 2 }),
  ).toThrow('from 0 to 1');
});

test('a word can keep its own meaning for another share of the steps', () => {
  const during = { default: 1, words: { here: 0.5 } };
  const { onQkv, wants } = contextInjection({
    source: cat,
    targets: [small],
    alignments: [refinement(cat, small)],
    during,
  });
  expect(wants(callAt(9, 2))).toEqual(['qkv']);
  tf.tidy(() => {
    const keysAt = (step: number): number[] => numbers(onQkv!(keysAndValues(4), callAt(step, 2)).k, 3);
    expect(keysAt(4)).toEqual([20, 21, 32, 33, 23, 24]);
    expect(keysAt(5)).toEqual([20, 21, 32, 33, 34, 24]);
  });
  const never = contextInjection({
    source: cat,
    targets: [small],
    alignments: [refinement(cat, small)],
    during: { default: 0, words: { here: 0 } },
  });
  expect(never.wants(callAt(0, 2))).toEqual([]);
  expect(() =>
    contextInjection({
      source: cat,
      targets: [small],
      alignments: [refinement(cat, small)],
      during: { words: { dog: 0 } },
    }),
  ).toThrow('No prompt has the word "dog"');
});

test('the whole method leaves it out by default, as the paper does', () => {
  const prompts = ['a cat here', 'a dog here'];
  expect(promptToPrompt({ tokenizer, prompts }).wants(callAt(0, 2))).toEqual(['probs']);
  expect(promptToPrompt({ tokenizer, prompts, context: 1 }).wants(callAt(0, 2))).toEqual(['qkv', 'probs']);
});
