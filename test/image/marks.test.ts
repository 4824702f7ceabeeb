import { markedPrompt, markedWords } from '../../src/image/marks';
import { openCheckpoint } from '../../src/node/checkpoint';
import type { TokenizedPrompt } from '../../src/text/tokenizer';
import { CLIPTokenizer } from '../../src/text/tokenizer';

let tokenize: (prompt: string) => TokenizedPrompt;
beforeAll(async () => {
  const tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  tokenize = (prompt) => tokenizer.tokenize(prompt);
});

const marked = (prompts: string[], weights = {}): string[][] =>
  markedWords(prompts.map(tokenize), weights).map((words) =>
    words.map(({ word, factor }) => word.name + (factor ?? '')),
  );

test('swapped words are marked in the source and in the target', () => {
  expect(marked(['a cat riding a bicycle', 'a cat riding a motorcycle'])).toEqual([['bicycle'], ['motorcycle']]);
});

test('added words are marked in the target; the source has lost none', () => {
  expect(marked(['a car on a street', 'a car on a snowy street at night.'])).toEqual([[], ['snowy', 'at', 'night']]);
});

test('words left out are marked in the source, and each target has its own', () => {
  expect(marked(['a red car on a street', 'a car on a street', 'a red car on a beach'])).toEqual([
    ['red', 'street'],
    [],
    ['beach'],
  ]);
});

test('words with a weight are marked though nothing changed, with their factor in the target', () => {
  expect(marked(['a snowy street', 'a snowy street'], { snowy: -2 })).toEqual([['snowy'], ['snowy-2']]);
  expect(marked(['a street', 'a snowy street'], { snowy: 3 })).toEqual([[], ['snowy3']]);
});

test('a marked prompt reads as it was written', () => {
  const prompts = ['A Cat, riding a bicycle!', 'A Dog, riding a bicycle!'].map(tokenize);
  const [, words] = markedWords(prompts, {});
  const runs = markedPrompt(prompts[1], words, 'changed');
  expect(runs.map(({ text }) => text).join('')).toBe('A Dog, riding a bicycle!');
  expect(runs.filter(({ mark }) => mark === 'changed').map(({ text }) => text)).toEqual(['Dog']);
});

test('a factor stands beside its word', () => {
  const prompts = ['a snowy street', 'a snowy street'].map(tokenize);
  const [, words] = markedWords(prompts, { snowy: -2 });
  expect(markedPrompt(prompts[1], words, 'changed').find(({ mark }) => mark === 'changed')?.text).toBe(
    'snowy\u00a0×−2',
  );
});

test('the part of a prompt that was cut off is pale', () => {
  const prompt = tokenize(`a cat ${'on a street '.repeat(20)}`);
  const runs = markedPrompt(prompt, [], 'changed');
  expect(runs.at(-1)?.mark).toBe('quiet');
  expect(runs.map(({ text }) => text).join('')).toBe(prompt.text);
});

test('of a sentence without spaces the words that changed are marked, of a number all digits', () => {
  expect(marked(['草原の黒い猫と12匹の犬', '草原の白い猫と13匹の犬'])).toEqual([
    ['黒い', '12'],
    ['白い', '13'],
  ]);
});
