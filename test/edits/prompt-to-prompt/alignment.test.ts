import { type Alignment, editKind, refinement, replacement } from '../../../src/edits/prompt-to-prompt/alignment';
import { toyTokenizer } from '../../attention/toyTokenizer';

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

  test('after the last swap, positions are equal, as in the reference code', () => {
    const alignment = replacement(tokenize('a bike on grass'), tokenize('a uni|cycle on grass'));
    expect(sourcesOf(alignment, 4)).toEqual({ 4: 1 });
    expect(sourcesOf(alignment, 7)).toEqual({ 7: 1 });
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
  ['a cat', 'a small cat', 'refine'],
  ['a cat on grass', 'a cat', 'refine'],
  ['cat on grass today', 'small cat on grass', 'refine'],
])('%s -> %s: %s', (source, target, kind) => {
  expect(editKind(tokenize(source), tokenize(target))).toBe(kind);
});
