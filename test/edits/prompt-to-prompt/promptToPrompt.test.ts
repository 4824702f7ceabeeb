import * as tf from '@tensorflow/tfjs';
import type { AttentionCall } from '../../../src/attention/controller';
import { type PromptToPromptOptions, promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import { AUTHORS_SHARES, type SharesByKind } from '../../../src/edits/prompt-to-prompt/shares';
import { evaluation, MapLayer, type Maps } from '../../attention/mapLayer';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { useBackend } from '../../backend';

useBackend();

const tokenizer = toyTokenizer(8);
const edit = (prompts: string[], options: Partial<PromptToPromptOptions> = {}) =>
  promptToPrompt({ tokenizer, prompts, ...options });

test('each target is edited as its words ask for; it can be told otherwise', () => {
  expect(edit(['a cat', 'a dog', 'a small cat', 'a cat']).edits).toEqual(['replace', 'refine', 'reweight']);
  expect(edit(['a cat', 'a dog'], { edit: 'refine' }).edits).toEqual(['refine']);
  expect(edit(['a cat', 'a cat'], { edit: 'refine' }).edits).toEqual(['reweight']);
  expect(() => edit(['a cat', 'a small cat'], { edit: 'replace' })).toThrow('Use refine');
  const shares = { ...AUTHORS_SHARES, describing: ['small'] };
  expect(edit(['a big cat', 'a small cat'], { shares }).edits).toEqual(['redescribe']);
  expect(edit(['a big cat', 'a small cat'], { shares, edit: 'replace' }).edits).toEqual(['redescribe']);
  expect(edit(['a big cat', 'a small cat'], { shares, edit: 'refine' }).edits).toEqual(['refine']);
});

describe('where an edit does not say for how long, its kind does', () => {
  const shares: SharesByKind = {
    replace: { cross: 0.1, self: [0.2, 0.3], context: 0.4 },
    redescribe: { cross: 0, self: 0, context: 0 },
    refine: { cross: 0.5, self: 0.6, context: 0.7 },
    reweight: { cross: 0.8, self: 0.9, context: 1 },
  };
  const prompts = ['a cat', 'a dog', 'a small cat', 'a cat'];
  /** The steps of ten at which each target takes something at this site: its keys, or its maps. */
  const takenAt = (
    site: 'self' | 'cross',
    stage: 'onQkv' | 'onProbs',
    options: Partial<PromptToPromptOptions> = {},
  ) => {
    const keys = 8;
    const controller = edit(prompts, { shares, ...options });
    const steps = prompts.slice(1).map((): number[] => []);
    for (let step = 0; step < 10; step++) {
      const call = {
        ...evaluation({ prompts: 4, step, guidance: false }),
        site: { path: 'attn', kind: site, place: 'down', heads: 1, headSize: keys } as const,
        grid: { height: 2, width: 4 },
        keys,
      };
      if (controller.wants(call).length === 0) continue;
      const x = tf.randomUniform([4, 1, 8, keys]) as tf.Tensor4D;
      const after = stage === 'onQkv' ? controller.onQkv!({ q: x, k: x, v: x }, call).k : controller.onProbs!(x, call);
      tf.unstack(tf.any(tf.notEqual(after, x), [1, 2, 3])).forEach((row, prompt) => {
        if (prompt > 0 && row.dataSync()[0]) steps[prompt - 1].push(step);
      });
    }
    return steps;
  };
  const upTo = (steps: number) => Array.from({ length: steps }, (_, step) => step);

  test('of cross-attention, self-attention and context', () => {
    expect(takenAt('cross', 'onProbs')).toEqual([upTo(1), upTo(5), upTo(8)]);
    expect(takenAt('self', 'onQkv')).toEqual([[2], upTo(6), upTo(9)]);
    expect(takenAt('cross', 'onQkv')).toEqual([upTo(4), upTo(7), upTo(10)]);
  });

  test('and what the edit says holds for all kinds', () => {
    expect(takenAt('cross', 'onProbs', { cross: 0.2 })).toEqual([upTo(2), upTo(2), upTo(2)]);
    expect(takenAt('self', 'onQkv', { self: 0 })).toEqual([[], [], []]);
    expect(takenAt('cross', 'onQkv', { context: [0.5, 0.7] })).toEqual([
      [5, 6],
      [5, 6],
      [5, 6],
    ]);
  });

  test('without any, the authors have theirs', () => {
    expect(takenAt('cross', 'onProbs', { shares: undefined })).toEqual([upTo(8), upTo(8), upTo(8)]);
    expect(takenAt('self', 'onQkv', { shares: undefined })).toEqual([upTo(4), upTo(4), upTo(4)]);
    expect(takenAt('cross', 'onQkv', { shares: undefined })).toEqual([[], [], []]);
  });
});

test('both kinds of edit in one run', () => {
  const layer = new MapLayer({ keys: 8 });
  const row = (first: number): Maps[number] => [[first, ...Array(6).fill(0.1), 0.4 - first]];
  const after = layer.attend(
    [row(0.3), row(0.1), [[0.1, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1]]],
    edit(['a cat', 'a dog', 'a small cat']),
    evaluation({ prompts: 3, guidance: false }),
  );
  expect(after[1][0][0]).toBeCloseTo(0.3, 5);
  expect(after[2][0][0]).toBeCloseTo(0.3, 5);
  expect(after[2][0][2]).toBeCloseTo(0.3, 5);
  expect(after[2][0][3]).toBeCloseTo(0.1, 5);
});

test('a weight holds while the attention is injected, of a prompt alone all the time', () => {
  const layer = new MapLayer({ keys: 8 });
  const map: Maps[number] = [[0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]];
  const toCat = (prompts: string[], step: number): number => {
    const controller = edit(prompts, { weights: { cat: 2 }, cross: 0.5 });
    return layer
      .attend(
        prompts.map(() => map),
        controller,
        evaluation({ prompts: prompts.length, step, guidance: false }),
      )
      .at(-1)![0][2];
  };
  expect(toCat(['a cat', 'a cat'], 4)).toBeCloseTo(0.4, 5);
  expect(toCat(['a cat', 'a cat'], 5)).toBeCloseTo(0.2, 5);
  expect(toCat(['a cat'], 0)).toBeCloseTo(0.4, 5);
  expect(toCat(['a cat'], 9)).toBeCloseTo(0.4, 5);
});

test('the side of the largest injected grid', () => {
  const site = { path: 'down_blocks.0.attn1', kind: 'self', place: 'down', heads: 1, headSize: 4 } as const;
  const call = (side: number): AttentionCall => ({
    ...evaluation({ prompts: 2, latents: { height: 64, width: 64 } }),
    site,
    grid: { height: side, width: side },
    keys: side * side,
  });
  const sides = (selfSize?: number): number[] =>
    [8, 16, 32, 64].filter((side) => edit(['a cat', 'a dog'], { selfSize }).wants(call(side)).length > 0);
  expect(sides()).toEqual([8, 16]);
  expect(sides(32)).toEqual([8, 16, 32]);
  expect(sides(8)).toEqual([8]);
});

test('a single prompt without weights is a generation without a controller', () => {
  const { edits, prompts, wants } = edit(['a cat']);
  expect(edits).toEqual([]);
  expect(prompts[0].text).toBe('a cat');
  const layer = new MapLayer({ keys: 8 });
  expect(
    wants({ ...evaluation({ prompts: 1 }), site: layer.layer.site, grid: { height: 1, width: 1 }, keys: 8 }),
  ).toEqual([]);
});

test.each<[string, string[], Partial<PromptToPromptOptions>, string]>([
  [
    'a word to schedule',
    ['a cat', 'a dog'],
    { crossWords: { cat: 0.2 } },
    'Only the source has the word "cat": give one of the target\'s. "a dog" has: a, dog.',
  ],
  [
    'a word to weight',
    ['a cat', 'a dog', 'a fox'],
    { weights: { cow: 2 } },
    'No prompt has the word "cow". "a dog" has: a, dog. "a fox" has: a, fox.',
  ],
  [
    'a word that only the source has',
    ['a cat', 'a dog'],
    { weights: { cat: 2 } },
    'Only the source has the word "cat": give one of the target\'s. "a dog" has: a, dog.',
  ],
  [
    'a word of the source to blend',
    ['a cat', 'a dog'],
    { blend: [{ source: 'dog', target: 'dog' }] },
    '"a cat" has: a, cat.',
  ],
  [
    'a word of the target to blend',
    ['a cat', 'a dog'],
    { blend: [{ source: 'cat', target: 'cat' }] },
    '"a dog" has: a, dog.',
  ],
  ['a blend without a target', ['a cat'], { blend: [{ source: 'cat', target: 'cat' }] }, 'they need a target prompt'],
  [
    'nothing but words to subtract',
    ['a cat', 'a dog'],
    { blendMinus: [{ source: 'a', target: 'a' }] },
    'also give the words whose region the edit is kept to',
  ],
  [
    'a threshold',
    ['a cat', 'a dog'],
    { blend: [{ source: 'cat', target: 'dog' }], blendThreshold: 1 },
    'from 0 to less than 1, not 1',
  ],
  ['no prompt', [], {}, 'needs a prompt'],
  ['prompts in one text', 'a cat' as never, {}, 'Expected the prompts as an array of texts'],
  ['a range of steps', ['a cat', 'a dog'], { cross: 80 }, 'this is 80'],
  ['another range of steps', ['a cat', 'a dog'], { self: [0.5, 0.1] }, 'this is [0.5,0.1]'],
])('an error about %s', (_, prompts, options, message) => {
  expect(() => edit(prompts, options)).toThrow(message);
});
