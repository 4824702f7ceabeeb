import { type Injection, injectionSchedule, isDuring } from '../../../src/edits/prompt-to-prompt/schedule';
import { toyTokenizer } from '../../attention/toyTokenizer';

const { tokenize } = toyTokenizer(8);
const target = tokenize('a small cat');

/** The steps of a run at which one token is injected. */
function steps(injection: Injection, token: number, count = 10): number[] {
  const schedule = injectionSchedule([target], injection);
  return Array.from({ length: count }, (_, step) => step).filter((step) => schedule(0, step, count)[token] === 1);
}

test('a fraction is of the steps and one more, cut down', () => {
  expect(steps(0.8, 1, 50)).toHaveLength(40);
  expect(steps(0.8, 1)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(steps(0.29, 1)).toEqual([0, 1, 2]);
  expect(0.58 * 50).toBeLessThan(29);
  expect(steps(0.58, 1, 49)).toHaveLength(28);
  expect(steps(1, 1)).toHaveLength(10);
  expect(steps(0, 1)).toEqual([]);
});

test('a range starts later', () => {
  expect(steps([0.2, 0.5], 1)).toEqual([2, 3, 4]);
});

test('words have their own ranges, the others the default, which is the whole run', () => {
  const injection = { default: 0.5, words: { cat: [0.2, 0.3] as const } };
  expect(steps(injection, 2)).toEqual([0, 1, 2, 3, 4]);
  expect(steps(injection, 3)).toEqual([2]);
  expect(steps({ words: { cat: 0.1 } }, 2)).toHaveLength(10);
  expect(steps({ words: [[{ word: 'cat', index: 1 }, 0.1]] }, 3)).toEqual([0]);
});

test('a word that no target has is an error', () => {
  expect(() => injectionSchedule([target, tokenize('a dog')], { words: { fox: 0.2 } })).toThrow(
    'No prompt has the word "fox". "a small cat" has: a, small, cat. "a dog" has: a, dog.',
  );
});

test('a range out of bounds is an error', () => {
  for (const range of [-0.1, 1.1, NaN, [0.5, 0.2], [0, 2]] as const)
    expect(() => isDuring(range, 0, 10)).toThrow(RangeError);
  expect(() => injectionSchedule([target], { words: { cat: 80 } })).toThrow('this is 80');
});
