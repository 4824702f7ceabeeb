import * as tf from '@tensorflow/tfjs';
import type { Grid } from '../../../src/attention/controller';
import { type LocalBlendOptions, localBlend } from '../../../src/edits/prompt-to-prompt/localBlend';
import { evaluation, MapLayer } from '../../attention/mapLayer';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { useBackend } from '../../backend';

useBackend();

const { tokenize } = toyTokenizer(5);
const prompts = [tokenize('a cat'), tokenize('a dog')];
const words = [['cat'], ['dog']];

/** A picture of 4 x 6 places as text: where there is a `#` a word gets much of the attention, elsewhere little. */
const left = ['......', '#.....', '......', '......'];
const right = ['......', '......', '......', '.....#'];
const grid: Grid = { height: 4, width: 6 };

let layer: MapLayer;
beforeAll(() => {
  layer = new MapLayer({ keys: 5 });
});

const attentionTo = (token: number, picture: string[], low = 0.05): number[][] =>
  [...picture.join('')].map((place) => {
    const p = place === '#' ? 0.9 : low;
    return Array.from({ length: 5 }, (_, key) => (key === token ? p : (1 - p) / 4));
  });

/** Where the target's latents remain its own after a step, as text; the source's latents are 0, the target's 1. */
function edited(
  options: Partial<LocalBlendOptions>,
  [source, target]: number[][][],
  { step = 5, latents = grid } = {},
): string[] {
  const blend = localBlend({ prompts, words, ...options });
  const now = evaluation({ prompts: 2, step, latents, guidance: false });
  blend.begin!({ prompts: 2, steps: 10, latents });
  layer.attend([source!, target!], blend, now, grid);
  const mask = tf.tidy(() => {
    const { height, width } = latents;
    const before = tf.concat([tf.zeros([1, height, width, 2]), tf.ones([1, height, width, 2])]) as tf.Tensor4D;
    const after = blend.onLatents!(before, now).arraySync();
    expect(after[0].flat(2).every((x) => x === 0)).toBe(true);
    return after[1];
  });
  blend.end!();
  return mask.map((line) => line.map(([x]) => (x === 1 ? '#' : '.')).join(''));
}

test("the target keeps its own latents around its word and around the source's", () => {
  const maps = [attentionTo(2, left), attentionTo(2, right)];
  expect(edited({ words: [[], ['dog']] }, maps)).toEqual(['......', '......', '....##', '....##']);
  expect(edited({ words: [['cat'], []] }, maps)).toEqual(['##....', '##....', '##....', '......']);
  expect(edited({}, maps)).toEqual(['##....', '##....', '##..##', '....##']);
});

test('keys after the tokens, which another controller has added, are of no word', () => {
  const { tokenize: four } = toyTokenizer(4); // <start>, a, cat, <end>
  const shorter = { prompts: [four('a cat'), four('a dog')] };
  const maps = [attentionTo(2, left), attentionTo(2, right)];
  expect(edited(shorter, maps)).toEqual(['##....', '##....', '##..##', '....##']);
  const elsewhere = [attentionTo(4, left), attentionTo(2, right)];
  expect(edited({ ...shorter, words: [[], ['dog']] }, elsewhere)).toEqual(['......', '......', '....##', '....##']);
});

test('subtracted words take their region away, without its surroundings', () => {
  const corner = [0.1, 0.4, 0.4, 0.05, 0.05];
  const target = attentionTo(2, right).map((place, i) => (i === 23 ? corner : place));
  // "a" gets 0.4 in the corner and 0.24 elsewhere.
  const options = { words: [[], ['dog']], subtract: [[], ['a']], threshold: 0.7 };
  expect(edited(options, [attentionTo(2, left), target])).toEqual(['......', '......', '....##', '....#.']);
});

test('the threshold is a part of the maximum', () => {
  const faint = [attentionTo(2, left), attentionTo(2, right, 0.3)];
  expect(edited({ words: [[], ['dog']] }, faint)).toEqual(['######', '######', '######', '######']);
  expect(edited({ words: [[], ['dog']], threshold: 0.4 }, faint)).toEqual(['......', '......', '....##', '....##']);
});

test('latents larger than the maps see them enlarged', () => {
  const mask = edited({ words: [[], ['dog']] }, [attentionTo(2, left), attentionTo(2, right)], {
    latents: { height: 8, width: 12 },
  });
  expect(mask).toEqual([...Array(4).fill('............'), ...Array(4).fill('........####')]);
});

test('blending starts after a fifth of the steps, or when it is told', () => {
  const maps = [attentionTo(2, left), attentionTo(2, right)];
  const all = Array(4).fill('######');
  expect(edited({}, maps, { step: 1 })).toEqual(all);
  expect(edited({}, maps, { step: 2 })).not.toEqual(all);
  expect(edited({ start: 0 }, maps, { step: 0 })).not.toEqual(all);
  expect(edited({ start: 0.7 }, maps, { step: 6 })).toEqual(all);
});

test('maps are summed over the steps so far', () => {
  const blend = localBlend({ prompts, words: [[], ['dog']] });
  const at = (step: number, picture: string[]): void => {
    layer.attend(
      [attentionTo(2, left), attentionTo(2, picture)],
      blend,
      evaluation({ prompts: 2, step, guidance: false }),
      grid,
    );
  };
  at(0, left);
  at(1, right);
  at(2, right);
  tf.tidy(() => {
    const latents = tf.concat([tf.zeros([1, 4, 6, 1]), tf.ones([1, 4, 6, 1])]) as tf.Tensor4D;
    const after = blend.onLatents!(latents, { step: 2, steps: 10, timestep: 0 }).arraySync()[1];
    // 0.9 on the left and 1.8 on the right: both are over 0.3 of the maximum.
    expect(after.map((line) => line.map(([x]) => (x ? '#' : '.')).join(''))).toEqual([
      '##....',
      '##....',
      '##..##',
      '....##',
    ]);
  });
  blend.end!();
});

test('the largest cross-attention grid up to 16x16 is used, whichever comes first', () => {
  const options = { latents: { height: 64, width: 64 } };
  const grids: [Grid, boolean][] = [
    [{ height: 8, width: 8 }, true],
    [{ height: 16, width: 16 }, true],
    [{ height: 8, width: 8 }, false],
    [{ height: 32, width: 32 }, false],
  ];
  const blend = localBlend({ prompts, words });
  for (const [size, wanted] of grids) {
    const call = {
      ...evaluation({ prompts: 2, guidance: false, ...options }),
      site: layer.layer.site,
      grid: size,
      keys: 5,
    };
    expect(blend.wants(call)).toEqual(wanted ? ['probs'] : []);
    if (wanted) tf.tidy(() => blend.onProbs!(tf.ones([2, 1, size.height * size.width, 5]), call));
  }
  blend.end!();
  const self = { ...evaluation({ prompts: 2 }), site: { ...layer.layer.site, kind: 'self' as const }, grid, keys: 24 };
  expect(blend.wants(self)).toEqual([]);
});

test('what it cannot do is an error', () => {
  expect(() => localBlend({ prompts, words: [['cat'], ['fox']] })).toThrow('"a dog" has: a, dog.');
  expect(() => localBlend({ prompts, words, start: 20 })).toThrow('not 20');
  expect(() => localBlend({ prompts, words }).begin!({ prompts: 3, steps: 10, latents: grid })).toThrow(
    'made for 2 prompts, but the run has 3',
  );
  const blind = localBlend({ prompts, words });
  expect(() => tf.tidy(() => blind.onLatents!(tf.zeros([2, 4, 6, 1]), { step: 9, steps: 10, timestep: 0 }))).toThrow(
    'maxSize',
  );
});
