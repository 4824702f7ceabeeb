import fc from 'fast-check';
import {
  type Alignment,
  alignedTokens,
  editKind,
  refinement,
  replacement,
} from '../../../src/edits/prompt-to-prompt/alignment';
import { promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import { CLIPTokenizer } from '../../../src/text/tokenizer';
import { spacedWords } from '../../../src/text/words';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { tokenizerFiles } from '../../text/vocabularies';

const { tokenize } = toyTokenizer(8);

/** The source tokens, each with its share, that a target token takes. */
function sourcesOf({ length, matrix }: Alignment, target: number): Record<number, number> {
  const shares = Array.from({ length }, (_, source) => [source, matrix[source * length + target]] as const);
  return Object.fromEntries(shares.filter(([, share]) => share !== 0));
}

describe('replace', () => {
  test('a word swapped for one of as many tokens: every token takes the one in its place', () => {
    const alignment = replacement(tokenize('a cat on grass'), tokenize('a dog on grass'));
    for (let t = 0; t < 8; t += 1) expect(sourcesOf(alignment, t)).toEqual({ [t]: 1 });
    expect([...alignment.aligned]).toEqual(Array(8).fill(1));
  });

  test('one token for two: each of the two takes half of it', () => {
    const alignment = replacement(tokenize('a bike here'), tokenize('a uni|cycle there'));
    expect(sourcesOf(alignment, 2)).toEqual({ 2: 0.5 });
    expect(sourcesOf(alignment, 3)).toEqual({ 2: 0.5 });
    // The next swapped word finds its partner, one token further on.
    expect(sourcesOf(alignment, 4)).toEqual({ 3: 1 });
  });

  test('two tokens for one: it takes both', () => {
    const alignment = replacement(tokenize('a uni|cycle'), tokenize('a bike'));
    expect(sourcesOf(alignment, 2)).toEqual({ 2: 1, 3: 1 });
  });

  test('words after a swap keep their own, the end takes the end, padding stays where it is', () => {
    const longer = replacement(tokenize('a bike on grass'), tokenize('a uni|cycle on grass'));
    expect([4, 5, 6, 7].map((t) => sourcesOf(longer, t))).toEqual([{ 3: 1 }, { 4: 1 }, { 5: 1 }, { 7: 1 }]);
    const shorter = replacement(tokenize('a uni|cycle on grass'), tokenize('a bike on grass'));
    expect([3, 4, 5, 6, 7].map((t) => sourcesOf(shorter, t))).toEqual([
      { 4: 1 },
      { 5: 1 },
      { 6: 1 },
      { 6: 1 },
      { 7: 1 },
    ]);
  });

  test('punctuation around a swapped word is no part of it', () => {
    const added = replacement(tokenize('a bike here'), tokenize('a "uni|cycle", here'));
    expect(sourcesOf(added, 2)).toEqual({});
    expect(sourcesOf(added, 3)).toEqual({ 2: 0.5 });
    expect(sourcesOf(added, 4)).toEqual({ 2: 0.5 });
    expect(sourcesOf(added, 5)).toEqual({});
    expect(sourcesOf(added, 6)).toEqual({ 3: 1 });
    expect([...added.aligned]).toEqual([1, 1, 0, 1, 1, 0, 1, 1]);
    const kept = replacement(tokenize('a (bike) here'), tokenize('a (cat) here'));
    for (let t = 0; t < 8; t += 1) expect(sourcesOf(kept, t)).toEqual({ [t]: 1 });
    expect(sourcesOf(replacement(tokenize('a - here'), tokenize('a + here')), 2)).toEqual({ 2: 1 });
  });

  test("after the last swap, positions are equal, in the authors' way", () => {
    const alignment = replacement(tokenize('a bike on grass'), tokenize('a uni|cycle on grass'), 'authors');
    expect(sourcesOf(alignment, 4)).toEqual({ 4: 1 });
    expect(sourcesOf(alignment, 7)).toEqual({ 7: 1 });
    expect([...alignment.aligned]).toEqual(Array(8).fill(1));
  });

  test('prompts of different numbers of words cannot be replaced; the error proposes refine', () => {
    expect(() => replacement(tokenize('a cat'), tokenize('a small cat'))).toThrow(
      /"a cat" has 2 and "a small cat" has 3.*refine/,
    );
  });
});

describe('refine', () => {
  test("words added keep their own attention, the others take their partner's", () => {
    const alignment = refinement(tokenize('a cat here'), tokenize('a small blue cat here'));
    expect([...alignment.aligned]).toEqual([1, 1, 0, 0, 1, 1, 1, 1]);
    expect(sourcesOf(alignment, 1)).toEqual({ 1: 1 });
    expect(sourcesOf(alignment, 2)).toEqual({});
    expect(sourcesOf(alignment, 4)).toEqual({ 2: 1 });
    expect(sourcesOf(alignment, 5)).toEqual({ 3: 1 });
    expect(sourcesOf(alignment, 6)).toEqual({ 4: 1 });
  });

  test('words left out leave the others aligned', () => {
    const alignment = refinement(tokenize('a small blue cat'), tokenize('a cat'));
    expect(sourcesOf(alignment, 2)).toEqual({ 4: 1 });
    expect(sourcesOf(alignment, 3)).toEqual({ 5: 1 });
  });

  test('prompts padded to different lengths are refused', () => {
    expect(() => refinement(tokenize('a cat'), toyTokenizer(9).tokenize('a cat'))).toThrow(
      'different lengths, 8 and 9',
    );
  });
});

test.each([
  ['a cat on grass', 'a dog on grass', 'replace'],
  ['a cat and a dog', 'a dog and a cat', 'replace'],
  ['a bike', 'a uni|cycle', 'replace'],
  ['a cat', 'a cat', 'reweight'],
  ['a cat', 'A  CAT', 'reweight'],
  ['a cat', 'a small cat', 'refine'],
  ['a cat on grass', 'a cat', 'refine'],
  ['cat on grass today', 'small cat on grass', 'refine'],
  // Nothing but punctuation.
  ['a cat on grass', 'a "cat" on grass', 'refine'],
  ['a cat on grass', 'a cat, on grass.', 'refine'],
  ['a cat - on grass', 'a cat on grass', 'refine'],
  ['a red haired man', 'a red-haired man', 'refine'],
  ['a red-haired man', 'a redhaired man', 'refine'],
  ["a dog's tail", 'a dog’s tail', 'refine'],
  ['a cat, on grass', 'a cat on grass', 'refine'],
  // Punctuation beside a swap.
  ['a cat, on grass', 'a dog on grass', 'replace'],
  ['a cat on grass', 'a dog, on grass', 'replace'],
  ['a 🐱 on grass', 'a 🐶 on grass', 'replace'],
  ['2 cats', '3 cats', 'replace'],
  ['2.5 cats', '25 cats', 'replace'],
  // No spaces between words.
  ['黒い猫が草原にいる', '黒い犬が草原にいる', 'refine'],
  ['一只猫在草地上', '一只狗在草地上', 'refine'],
  ['แมวสีดำบนหญ้า', 'หมาสีดำบนหญ้า', 'refine'],
  ['猫', '犬', 'refine'],
  ['a photo, 黒い猫', 'a photo, 黒い犬', 'refine'],
  ['a photo of 猫', 'a photo of 犬', 'replace'],
  ['고양이가 풀밭에 있다', '강아지가 풀밭에 있다', 'replace'],
  ['a 猫 on grass', 'a 猫 on sand', 'replace'],
])('%s -> %s: %s', (source, target, kind) => {
  expect(editKind(tokenize(source), tokenize(target))).toBe(kind);
});

test.each([
  ['a red car', 'a blue car', 'redescribe'],
  ['a red car', 'a BLUE, car', 'redescribe'],
  ['red car blue house', 'green car red house', 'redescribe'],
  ['an old car', 'a red car', 'replace'],
  ['a red car', 'a blue house', 'replace'],
  ['a red car', 'a bright car', 'replace'],
  ['a car', 'a red car', 'refine'],
  ['a red car', 'a red car', 'reweight'],
])('%s -> %s, where colours are known to describe: %s', (source, target, kind) => {
  expect(editKind(tokenize(source), tokenize(target), ['red', 'green', 'blue'])).toBe(kind);
});

describe("on CLIP's vocabulary", () => {
  const clip = new CLIPTokenizer(tokenizerFiles('sd1'));
  const align = (source: string, target: string, edit?: 'replace') => {
    const { prompts, edits, alignments } = promptToPrompt({ tokenizer: clip, prompts: [source, target], edit });
    const tokens = alignedTokens(prompts[0], prompts[1], alignments[0]);
    return { kind: edits[0], tokens, alignment: alignments[0], target: prompts[1] };
  };
  /** Each token of the target with those of the source that it takes, and their shares where these are not 1. */
  const shown = (source: string, target: string, edit?: 'replace'): string[] =>
    align(source, target, edit).tokens.map(({ text, sources }) =>
      [text, ...sources.map(({ text, share }) => text + (share === 1 ? '' : `*${share.toFixed(2)}`))].join(' '),
    );

  test.each([
    ['a cat riding a bicycle', 'a "cat" riding a bicycle', ' |a a|"|cat cat|"|riding riding|a a|bicycle bicycle| '],
    ['a cat riding a bicycle', 'a cat, riding a bicycle', ' |a a|cat cat|,|riding riding|a a|bicycle bicycle| '],
    ['a red haired man', 'a red-haired man', ' |a a|red red|-|haired haired|man man| '],
    ['a "cat" riding', 'a cat riding', ' |a a|cat cat|riding riding| '],
  ])('%s -> %s: token by token', (source, target, expected) => {
    expect(align(source, target).kind).toBe('refine');
    expect(shown(source, target)).toEqual(expected.split('|'));
  });

  test('a squirrel for a chinchilla: each word after it has its own, where the authors shift all', () => {
    const [source, target] = ['a squirrel eating a burger', 'a chinchilla eating a burger'];
    expect(align(source, target).kind).toBe('replace');
    expect(shown(source, target)).toEqual([
      ' ',
      'a a',
      'chin squirrel*0.33',
      'ch squirrel*0.33',
      'illa squirrel*0.33',
      'eating eating',
      'a a',
      'burger burger',
      ' ',
    ]);
  });

  test('told to replace, a word with quotes keeps its own all the same', () => {
    expect(shown('a cat riding', 'a "cat" riding', 'replace')).toEqual([
      ' ',
      'a a',
      '"',
      'cat cat',
      '"',
      'riding riding',
      ' ',
    ]);
  });

  test('unspaced text: what both have is aligned', () => {
    const { tokens, kind } = align('黒い猫が草原にいる', '黒い犬が草原にいる');
    expect(kind).toBe('refine');
    for (const { text, sources } of tokens.filter(({ text }) => '黒い草原'.includes(text) && text !== ''))
      expect(sources.map(({ text, share }) => [text, share])).toEqual([[text, 1]]);
  });

  const word = fc.constantFrom(
    'cat',
    'chinchilla',
    'motorcyclist',
    'a',
    'on',
    'red-haired',
    '"dog"',
    'sea,',
    'dog’s',
    '猫',
  );
  test('in any swap a word that stays takes itself, the end the end, and padding its own position', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word, fc.boolean()), { minLength: 1, maxLength: 8 }), (words) => {
        const source = clip.tokenize(words.map(([before]) => before).join(' '));
        const target = clip.tokenize(words.map(([before, after, swap]) => (swap ? after : before)).join(' '));
        const alignment = replacement(source, target);
        const { length } = alignment;
        const [before, after] = [spacedWords(source), spacedWords(target)];
        words.forEach(([from, to, swap], i) => {
          if (swap && from !== to) return;
          for (let token = 0; token < after[i].end - after[i].start; token++)
            expect(sourcesOf(alignment, after[i].start + token)).toEqual({ [before[i].start + token]: 1 });
        });
        expect(sourcesOf(alignment, 0)).toEqual({ 0: 1 });
        expect(sourcesOf(alignment, target.length - 1)).toEqual({ [source.length - 1]: 1 });
        for (let t = target.length; t < length; t++) expect(sourcesOf(alignment, t)).toEqual({ [t]: 1 });
        for (let t = 0; t < length; t++)
          expect(alignment.aligned[t]).toBe(Object.keys(sourcesOf(alignment, t)).length > 0 ? 1 : 0);
      }),
      { numRuns: 300 },
    );
  });
});
