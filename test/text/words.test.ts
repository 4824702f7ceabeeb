import fc from 'fast-check';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { spacedWords, tokensInEach, tokensOf, unknownWords, wordsOf } from '../../src/text/words';
import { toyTokenizer } from '../attention/toyTokenizer';
import { tokenizerFiles } from './vocabularies';

const { tokenize } = toyTokenizer(24);

test('a word that a vocabulary of whole words lacks is unknown, and each is said once', () => {
  const tokenizer = new CLIPTokenizer(tokenizerFiles('small'));
  expect(tokenizer.words).toHaveLength(48);
  expect(tokenizer.words!.slice(0, 3)).toEqual(['an', 'the', 'of']);
  expect(tokenizer.words!.flatMap((word) => unknownWords(tokenizer.tokenize(word)))).toEqual([]);
  expect(unknownWords(tokenizer.tokenize("A Zebra, the cat's zebra and 3 cats 🐱 猫"))).toEqual([
    'zebra',
    "cat's",
    'cats',
    '🐱',
    '猫',
  ]);
});

test.each(['sd1', 'sd2'] as const)("CLIP's vocabulary spells any word, so it has no list: %s", (name) => {
  expect(new CLIPTokenizer(tokenizerFiles(name)).words).toBeUndefined();
});

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
  for (const index of [-1, 0, 4]) expect(() => tokensOf(prompt, { word: 'a cat', index })).toThrow();
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

test('punctuation is no word; words that the prompt has before are told by their number, and emoji too', () => {
  expect(
    wordsOf(tokenize('a cat, a uni|cycle and a 🐱 Cat')).map(({ name, start, end }) => [name, start, end]),
  ).toEqual([
    ['a', 1, 2],
    ['cat', 2, 3],
    ['a#2', 4, 5],
    ['unicycle', 5, 7],
    ['and', 7, 8],
    ['a#3', 8, 9],
    ['🐱', 9, 10],
    ['cat#2', 10, 11],
  ]);
  expect(wordsOf(tokenize('...'))).toEqual([]);
});

describe('as CLIP cuts prompts', () => {
  let clip: CLIPTokenizer;
  beforeAll(async () => {
    clip = new CLIPTokenizer(tokenizerFiles('sd1'));
  });
  /** What the tokens of a word spell. */
  const found = (text: string, word: string): string => {
    const prompt = clip.tokenize(text);
    return tokensOf(prompt, word)
      .map((token) => {
        const { text, start } = prompt.pieces.find(({ start, end }) => start <= token && token < end)!;
        return `${token === start ? ' ' : ''}${text.slice(...prompt.offsets![token])}`;
      })
      .join('')
      .trim();
  };

  test.each([
    ['a "cat", on grass', 'cat,', 'cat'],
    ['a cat on grass', '"cat,"', 'cat'],
    ['a red-haired man', 'red haired', 'red - haired'],
    ['a red haired man', 'red-haired', 'red haired'],
    ['a red-haired man', 'haired', 'haired'],
    ["the dog's tail", "dog's", "dog 's"],
    ["the dog's tail", 'dog\u2019s', "dog 's"],
    ['the dog\u2019s tail', "dog's", 'dog \u2019\u2019 s'], // The mark's bytes are two tokens.
    ["the dog's tail", 'dog', 'dog'],
    ["the dogs' tail", 'dogs', 'dogs'],
    ['rock\u2013n\u2013roll', 'rock-n-roll', 'rock \u2013 n \u2013 roll'],
    ['a well\u2011known man', 'well-known', 'well \u2011\u2011 known'],
    ['\u00bfd\u00f3nde est\u00e1?', 'd\u00f3nde', 'd\u00f3nde'],
    ['2 cats in 12 hats, 2023', '2', '2'],
    ['room 12', '12', '1 2'],
    ['2.5 cats and 1,000 dogs, 2', '2', '2'],
    ['2.5 cats and 1,000 dogs', '2.5', '2 . 5'],
    ['1,000 dogs', '1,000', '1 , 0 0 0'],
    ['a 4k photo', '4k', '4 k'],
    ['__proto__ and constructor', '__proto__', '__ proto __'],
    ['__proto__ and constructor', 'constructor', 'constructor'],
    ['a cat, 2 dogs', 'cat#1', 'cat'],
  ])('"%s" has %s', (text, word, expected) => {
    expect(found(text, word)).toBe(expected);
  });

  test.each([
    ['a room of 12', '2'],
    ['in 2023', '20'],
    ['in 2023', '23'],
    ['a 4k photo', '4'],
    ['2.5 cats', '5'],
    ['1,000 dogs', '000'],
    ['a catalogue', 'cat'],
    ['bobcats', 'cats'],
    ['na\u00efve', 'nai'],
    ['a cat', '#2'],
    ['cafe\u0301s', 'cafe'],
  ])('"%s" does not have %s', (text, word) => {
    expect(() => tokensOf(clip.tokenize(text), word)).toThrow(`No prompt has the word "${word}"`);
  });

  test.each([
    ['\u9ed2\u3044\u732b\u304c\u8349\u539f\u306b\u3044\u308b', '\u732b'],
    ['\u9ed2\u3044\u732b\u304c\u8349\u539f\u306b\u3044\u308b', '\u8349\u539f'],
    ['\u4e00\u53ea\u732b\u548c\u4e00\u53ea\u72d7', '\u72d7'],
    ['a photo of \u9ed2\u3044\u732b.', '\u732b'],
    ['\u0e41\u0e21\u0e27\u0e2a\u0e35\u0e14\u0e33', '\u0e41\u0e21\u0e27'],
    ['2\u5339\u306e\u732b', '2'],
    ['\u{1F431}\u{1F436}', '\u{1F436}'],
    ['\u{1F469}\u200d\u{1F680} in space', '\u{1F469}\u200d\u{1F680}'],
  ])('in "%s", which has no spaces there, %s is found by its characters', (text, word) => {
    const prompt = clip.tokenize(text);
    const tokens = tokensOf(prompt, word);
    const start = Math.min(...tokens);
    const spelt = tokens.map((token) => {
      const piece = prompt.pieces.find(({ start, end }) => start <= token && token < end)!;
      return [...piece.text.slice(...prompt.offsets![token])];
    });
    expect(tokens).toEqual(tokens.map((_, i) => start + i));
    // A character may fall to several tokens, and a token may hold some of the next one.
    for (const character of word) expect(spelt.flat()).toContain(character);
    expect(tokens.length).toBeLessThan(prompt.length - 2);
  });

  test('a character of several tokens is none of its neighbours', () => {
    expect(() => tokensOf(clip.tokenize('\u0e41\u0e21\u0e27\u0e2a\u0e35\u0e14\u0e33'), '\u0e2a')).toThrow('No prompt');
    expect(() => tokensOf(clip.tokenize('\u{1F469}\u200d\u{1F680}'), '\u{1F680}')).toThrow('No prompt');
  });

  test('the words that an error lists are found themselves', () => {
    const prompt = clip.tokenize('A "cat" in 2023, red-haired, 2.5 \u732b \u{1F431}!');
    const message = (() => {
      try {
        return tokensOf(prompt, 'dog').join();
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toContain('has: a, cat, in, 2023, red, haired, 2.5, \u732b, \u{1F431}.');
  });

  test.each([
    ['A "cat" in 2023, red-haired!', ['a', 'cat', 'in', '2023', 'red', 'haired']],
    ["2.5 of the dog's 4k photos", ['2.5', 'of', 'the', "dog's", '4k', 'photos']],
    ['黒い猫が草原にいる', ['黒い', '猫', 'が', '草原', 'に', 'いる']],
    ['一只猫和一只狗', ['一只', '猫', '和', '一只#2', '狗']],
    ['猫咪和猫', ['猫咪', '和', '猫#2']],
    ['a photo of แมวสีดำ', ['a', 'photo', 'of', 'แมว', 'สี', 'ดำ']],
    ['2匹の猫', ['2', '匹', 'の', '猫']],
  ])('the words of "%s" are %j', (text, names) => {
    const prompt = clip.tokenize(text);
    const words = wordsOf(prompt);
    expect(words.map(({ name }) => name)).toEqual(names);
    for (const { text, name, start, end } of words)
      expect([name, tokensOf(prompt, name)]).toEqual([
        name,
        name === text
          ? expect.arrayContaining([start, end - 1])
          : Array.from({ length: end - start }, (_, i) => start + i),
      ]);
  });

  test('every word of every prompt is found', () => {
    const mark = fc.constantFrom(
      ...'.,!\u2019-_("'.split(''),
      "'s",
      '#2',
      '\u{1F431}',
      '\u00e9',
      '\u03a3',
      '\u00df',
      '4k',
      '2.5',
      '\u6771\u4eac',
      'e\u0301',
      '\u0130',
    );
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
        for (const { text, name, start, end } of wordsOf(prompt)) {
          const index = Number(name.slice(text.length + 1) || 1);
          expect(tokensOf(prompt, { word: text, index })).toEqual(expect.arrayContaining([start, end - 1]));
        }
        words.forEach((text, i) =>
          expect(tokensOf(prompt, text)).toEqual(expect.arrayContaining([spans[i].start, spans[i].end - 1])),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('any text is looked for in any prompt: what is found are tokens of it, and else it is an error', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 1 }),
        fc.constantFrom(...'ca t.,#2-\u2019\u732b\u304c'.split('')),
      ),
      maxLength: 12,
    });
    fc.assert(
      fc.property(text, text, (prompt, word) => {
        const tokenized = clip.tokenize(prompt);
        try {
          const tokens = tokensOf(tokenized, word);
          expect(tokens.length).toBeGreaterThan(0);
          expect(tokens.every((token) => token > 0 && token < tokenized.length - 1)).toBe(true);
        } catch (error) {
          expect((error as Error).message).toContain('No prompt has the word');
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test('a word that only the source has is said to be its', () => {
  const [source, target] = [tokenize('a cat'), tokenize('a dog')];
  expect(() => tokensInEach([target], 'cat', source)).toThrow(
    'Only the source has the word "cat": give one of the target\'s. "a dog" has: a, dog.',
  );
  expect(() => tokensInEach([target], 'cow', source)).toThrow('No prompt has the word "cow".');
});
