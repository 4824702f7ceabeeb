/**
 * What each edit does to one hand-written attention map. Read from the top, this is Prompt-to-Prompt.
 *
 * A row of the batch has a map: for each query (a place in the picture) a list of how much attention each token gets.
 * With guidance the batch has the prompts without their text first and with it after; row 2 is the source, row 3 the
 * target.
 */

import type { AttentionController } from '../../../src/attention/controller';
import { refinement, replacement } from '../../../src/edits/prompt-to-prompt/alignment';
import { attentionRefine, attentionReplace, crossInjection } from '../../../src/edits/prompt-to-prompt/crossInjection';
import { attentionReweight } from '../../../src/edits/prompt-to-prompt/reweight';
import { selfInjection } from '../../../src/edits/prompt-to-prompt/selfInjection';
import { evaluation, MapLayer, type Maps } from '../../attention/mapLayer';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { useBackend } from '../../backend';

useBackend();

const { tokenize } = toyTokenizer(5);
// Each prompt is <start>, a, cat, ... in 5 tokens; one query.
const unconditional = [[0.2, 0.2, 0.2, 0.2, 0.2]];
const source = [[0.1, 0.2, 0.4, 0.2, 0.1]];
const target = [[0.5, 0.1, 0.2, 0.1, 0.1]];
const batch: Maps = [unconditional, unconditional, source, target];

let layer: MapLayer;
beforeAll(() => {
  layer = new MapLayer({ keys: 5 });
});

function expectMaps(actual: Maps, expected: Maps): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((row, r) =>
    row.forEach((query, q) => query.forEach((p, k) => expect(p).toBeCloseTo(expected[r][q][k], 5))),
  );
}

/** The maps of a batch of one source and one target after a controller. */
const after = (controller: AttentionController, step = 0, maps = batch): Maps =>
  layer.attend(maps, controller, evaluation({ prompts: maps.length / 2, step }));

test('without a controller a map stays as it is', () => {
  expectMaps(layer.attend(batch), batch);
});

describe('replace: "a cat here" -> "a dog here"', () => {
  const prompts = [tokenize('a cat here'), tokenize('a dog here')];

  test("the target takes the source's map; the rows without text and the source keep theirs", () => {
    expectMaps(after(attentionReplace({ prompts, during: 1 })), [unconditional, unconditional, source, source]);
  });

  test("keys after the tokens, which another controller has added, stay the target's own", () => {
    const { tokenize: four } = toyTokenizer(4); // <start>, a, cat, <end>
    const replace = attentionReplace({ prompts: [four('a cat'), four('a dog')], during: 1 });
    const maps = [unconditional, unconditional, source, [[0.3, 0.1, 0.2, 0.1, 0.3]]];
    expectMaps(after(replace, 0, maps), [unconditional, unconditional, source, [[0.1, 0.2, 0.4, 0.2, 0.3]]]);
  });

  test('after its share of the steps the target is left alone', () => {
    const replace = attentionReplace({ prompts, during: 0.5 });
    expectMaps(after(replace, 4), [unconditional, unconditional, source, source]);
    expectMaps(after(replace, 5), batch);
  });

  test('a word may be let go earlier than the others', () => {
    const replace = attentionReplace({ prompts, during: { default: 1, words: { dog: 0.2 } } });
    expectMaps(after(replace, 1), [unconditional, unconditional, source, source]);
    expectMaps(after(replace, 2), [unconditional, unconditional, source, [[0.1, 0.2, 0.2, 0.2, 0.1]]]);
  });

  test('without guidance there are no rows without text', () => {
    const maps = layer.attend(
      [source, target],
      attentionReplace({ prompts }),
      evaluation({ prompts: 2, guidance: false }),
    );
    expectMaps(maps, [source, source]);
  });
});

test('replace of one token by two: "a bike" -> "a uni|cycle": they share the word\'s attention', () => {
  const prompts = [tokenize('a bike'), tokenize('a uni|cycle')];
  expectMaps(after(attentionReplace({ prompts, during: 1 })), [
    unconditional,
    unconditional,
    source,
    // Both halves of `bike`, and the end of the text its own.
    [[0.1, 0.2, 0.2, 0.2, 0.2]],
  ]);
});

test('refine: "a cat" -> "a small cat": the new word keeps its own attention, the others take the source\'s', () => {
  const prompts = [tokenize('a cat'), tokenize('a small cat')];
  // <start>, a | small | cat, <end>: the source's 0, 1 | the target's own 2 | the source's 2, 3
  expectMaps(after(attentionRefine({ prompts })), [unconditional, unconditional, source, [[0.1, 0.2, 0.2, 0.4, 0.2]]]);
});

test('several targets in one run, each aligned in its own way', () => {
  const [cat, dog, small] = ['a cat', 'a dog', 'a small cat'].map(tokenize);
  const edit = crossInjection({
    targets: [dog!, small!],
    alignments: [replacement(cat!, dog!), refinement(cat!, small!)],
  });
  const none = [unconditional, unconditional, unconditional];
  expectMaps(after(edit, 0, [...none, source, target, target]), [...none, source, source, [[0.1, 0.2, 0.2, 0.4, 0.2]]]);
});

describe('re-weight', () => {
  const prompts = [tokenize('a small cat'), tokenize('a small cat')];

  test("the target's attention to a word is multiplied; nothing is normalised again", () => {
    const more = attentionReweight({ prompts, weights: { small: 3 } });
    expectMaps(after(more), [unconditional, unconditional, source, [[0.5, 0.1, 0.6, 0.1, 0.1]]]);
  });

  test('factors may be negative, and words of several tokens have them all multiplied', () => {
    const split = [tokenize('a uni|cycle'), tokenize('a uni|cycle')];
    const less = attentionReweight({ prompts: split, weights: { unicycle: -2 } });
    expectMaps(after(less), [unconditional, unconditional, source, [[0.5, 0.1, -0.4, -0.2, 0.1]]]);
  });

  test('it can be limited to a part of the run', () => {
    const more = attentionReweight({ prompts, weights: { small: 3 }, during: 0.5 });
    expectMaps(after(more, 5), batch);
  });

  test('keys after the tokens, which another controller has added, are not weighted', () => {
    const { tokenize: four } = toyTokenizer(4); // <start>, a, cat, <end>
    const more = attentionReweight({ prompts: [four('a cat'), four('a cat')], weights: { cat: 3 } });
    expectMaps(after(more), [unconditional, unconditional, source, [[0.5, 0.1, 0.6, 0.1, 0.1]]]);
  });

  test('a prompt alone is changed itself', () => {
    const more = attentionReweight({ prompts: [tokenize('a small cat')], weights: { small: 3 } });
    expectMaps(layer.attend([unconditional, source], more, evaluation({ prompts: 1 })), [
      unconditional,
      [[0.1, 0.2, 1.2, 0.2, 0.1]],
    ]);
  });

  test('a word that only the source has is an error', () => {
    const [before, changed] = [tokenize('a small cat'), tokenize('a big cat')];
    expect(() => attentionReweight({ prompts: [before, changed], weights: { small: 3 } })).toThrow(
      '"a big cat" has: a, big, cat.',
    );
    expect(() => attentionReweight({ prompts: [before, changed], weights: { big: NaN } })).toThrow(
      'The weight of "big" is not a number',
    );
  });
});

describe('self-attention', () => {
  let self: MapLayer;
  beforeAll(() => {
    self = new MapLayer({ keys: 5, kind: 'self', path: 'down_blocks.0.attn1' });
  });

  test("the target takes the source's maps in the steps given", () => {
    const inject = selfInjection({ during: [0.2, 0.4] });
    const at = (step: number): Maps => self.attend(batch, inject, evaluation({ prompts: 2, step }));
    expectMaps(at(1), batch);
    expectMaps(at(2), [unconditional, unconditional, source, source]);
    expectMaps(at(3), [unconditional, unconditional, source, source]);
    expectMaps(at(4), batch);
  });

  test.each([
    [{ height: 64, width: 64 }, { height: 16, width: 16 }, true],
    [{ height: 64, width: 64 }, { height: 32, width: 32 }, false],
    [{ height: 64, width: 96 }, { height: 16, width: 24 }, true],
    [{ height: 40, width: 56 }, { height: 10, width: 14 }, true],
    [{ height: 40, width: 56 }, { height: 20, width: 28 }, false],
    [{ height: 65, width: 65 }, { height: 17, width: 17 }, true],
    [{ height: 16, width: 16 }, { height: 16, width: 16 }, true],
  ])('latents of %j, a grid of %j: injected %s', (latents, grid, injected) => {
    const call = {
      ...evaluation({ prompts: 2, latents }),
      site: self.layer.site,
      grid,
      keys: grid.height * grid.width,
    };
    expect(selfInjection().wants(call)).toEqual(injected ? ['qkv'] : []);
    expect(selfInjection({ maxSize: 32 }).wants(call)).toEqual(['qkv']);
  });

  test('cross-attention is left alone, and self-attention by the cross edits', () => {
    expectMaps(after(selfInjection({ during: 1 })), batch);
    const prompts = [tokenize('a cat'), tokenize('a dog')];
    expectMaps(self.attend(batch, attentionReplace({ prompts }), evaluation({ prompts: 2 })), batch);
  });
});

describe('what an edit needs', () => {
  const prompts = [tokenize('a cat'), tokenize('a dog')];
  const targetOnly = {
    ...evaluation({ prompts: 2 }),
    rows: [
      { prompt: 1, role: 'unconditional' },
      { prompt: 1, role: 'conditional' },
    ],
  };

  test('the source in the same batch', () => {
    const message = 'The batch at down_blocks.0.attn2 has no conditional row of the source prompt';
    expect(() => layer.attend([source, target], attentionReplace({ prompts }), targetOnly)).toThrow(message);
    const self = new MapLayer({ keys: 5, kind: 'self' });
    expect(() => self.attend([source, target], selfInjection(), targetOnly)).toThrow(message);
    self.dispose();
  });

  test('but a batch of rows without text is none of its business', () => {
    const rows = [
      { prompt: 0, role: 'unconditional' },
      { prompt: 1, role: 'unconditional' },
    ];
    expectMaps(layer.attend([source, target], attentionReplace({ prompts }), { ...targetOnly, rows }), [
      source,
      target,
    ]);
  });

  test('as many targets as it was made for, and their length', () => {
    expect(() => after(attentionReplace({ prompts }), 0, [...batch, source, target])).toThrow(
      'target prompt 2, but this controller was made for 1',
    );
    const more = attentionReweight({ prompts, weights: { dog: 3 } });
    expect(() => after(more, 0, [...batch, source, target])).toThrow(
      'target prompt 2, but this controller was made for 1',
    );
    expect(() => crossInjection({ targets: prompts, alignments: [] })).toThrow('2 targets and 0 alignments');
    const long = ['a cat', 'a dog'].map(toyTokenizer(7).tokenize);
    expect(() => after(attentionReplace({ prompts: long }))).toThrow('tokenized to 7 tokens, but the attention has 5');
  });
});
