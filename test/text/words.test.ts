import fc from 'fast-check';
import { openCheckpoint } from '../../src/node/checkpoint';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { spacedWords, tokensInEach, tokensOf } from '../../src/text/words';
import { toyTokenizer } from '../attention/toyTokenizer';

const { tokenize } = toyTokenizer(24);

test('a word is found whatever its case and the punctuation beside it', () => {
  const prompt = tokenize('A cat, riding a Bicycle.');
  expect(tokensOf(prompt, 'bicycle')).toEqual([6]);
  expect(tokensOf(prompt, 'CAT')).toEqual([2]);
  expect(tokensOf(prompt, 'bicycle.')).toEqual([6, 7]);
});

test('a word stands for all its tokens, and a phrase for those of its words', () => {
  const prompt = tokenize('a uni|cycle by a blossom tree');
  expect(tokensOf(prompt, 'unicycle')).toEqual([2, 3]);
  expect(tokensOf(prompt, 'blossom  tree')).toEqual([6, 7]);
  expect(() => tokensOf(prompt, 'tree blossom')).toThrow('tree blossom');
  expect(() => tokensOf(prompt, 'uni')).toThrow('uni');
});

test('equal words are found all together, or one by its number', () => {
  const prompt = tokenize('a cat and a cat and a cat');
  expect(tokensOf(prompt, 'cat')).toEqual([2, 5, 8]);
  expect(tokensOf(prompt, 'cat#2')).toEqual([5]);
  expect(tokensOf(prompt, { word: 'a cat', index: 3 })).toEqual([7, 8]);
  expect(() => tokensOf(prompt, 'cat#4')).toThrow('No prompt has the word "cat#4"');
});

test('a number sign that the prompt itself has is no index', () => {
  const prompt = tokenize('room#2 and room');
  expect(tokensOf(prompt, 'room#2')).toEqual([1, 2, 3]);
  expect(tokensOf(prompt, { word: 'room', index: 2 })).toEqual([5]);
});

test('an unknown word is an error that lists the words there are', () => {
  expect(() => tokensOf(tokenize('A cat, riding a bicycle.'), 'dog')).toThrow(
    'No prompt has the word "dog". "A cat, riding a bicycle." has: a, cat, riding, bicycle.',
  );
  expect(() => tokensInEach([tokenize('a dog'), tokenize('a fox')], 'cat')).toThrow(
    '"a dog" has: a, dog. "a fox" has: a, fox.',
  );
  expect(() => tokensOf({ ...tokenize('a dog'), lost: 'at sunset' }, 'sunset')).toThrow(
    'Cut off, being too long: "at sunset".',
  );
  expect(() => tokensOf(tokenize('a dog'), ' ')).toThrow('No prompt has the word " "');
});

test('of several prompts one is enough to know a word', () => {
  expect(tokensInEach([tokenize('a dog'), tokenize('a blue fox')], 'fox')).toEqual([[], [3]]);
});

test('the words of a prompt are what spaces separate', () => {
  expect(spacedWords(tokenize('a uni|cycle,  by the sea!'))).toEqual([
    { start: 1, end: 2 },
    { start: 2, end: 5 },
    { start: 5, end: 6 },
    { start: 6, end: 7 },
    { start: 7, end: 9 },
  ]);
  expect(spacedWords(tokenize(''))).toEqual([]);
});

test('every word of every prompt is found, as CLIP cuts it', async () => {
  const clip = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  const mark = fc.constantFrom('.', ',', '!', "'s", '-', '#2', '🐱', 'é', 'Σ', 'ß', '4k', '東京', 'e\u0301', 'İ');
  const word = fc
    .tuple(fc.constantFrom('cat', 'Bicycle', 'on', 'zebra', ''), mark, fc.constantFrom('', 'x'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const prompt = clip.tokenize(words.join(' '));
      fc.pre(prompt.lost === '');
      const spans = spacedWords(prompt);
      expect(spans).toHaveLength(words.length);
      expect([spans[0].start, spans.at(-1)!.end]).toEqual([1, prompt.length - 1]);
      words.forEach((text, i) =>
        expect(tokensOf(prompt, text)).toEqual(expect.arrayContaining([spans[i].start, spans[i].end - 1])),
      );
    }),
    { numRuns: 500 },
  );
});
