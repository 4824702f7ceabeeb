import { join } from 'node:path';
import { ADDED, type HeldOut, readHeldOut, WEIGHTED } from '../../evaluate/heldOut';

const [heldOut, tuning] = (['held_out', 'tuning'] as const).map((set) =>
  readHeldOut(join(__dirname, '../../evaluate'), set),
);
const { vocabulary } = heldOut;
const words = (text: string): string[] => text.split(' ');

/** The combinations kept out of training that a prompt asks for. */
function unseen(text: string): string[] {
  return vocabulary.neverSeen
    .map((pair) => pair.join(' '))
    .filter((pair) => {
      const [first, second] = pair.split(' ');
      if (vocabulary.places.includes(second)) return words(text).includes(first) && words(text).includes(second);
      if (!vocabulary.nouns.includes(first)) return text.includes(pair);
      return new RegExp(`\\b${first}( is)? (riding|driving|flying|on) (\\w+ )*${second}\\b`).test(text);
    });
}

describe.each([
  ['held out', heldOut],
  ['for tuning', tuning],
])('prompts %s', (_name, set) => {
  test('every prompt of what was never seen asks for it, and no other prompt does', () => {
    for (const { text } of set.neverSeen) expect({ text, unseen: unseen(text) }).not.toEqual({ text, unseen: [] });
    const edits = [...set.swaps, ...ADDED.flatMap((kind) => set.added[kind] ?? [])];
    const others = [
      ...set.newCaptions.map(({ text }) => text),
      ...edits.flatMap(({ source, targets }) => [source, ...targets.map(({ text }) => text)]),
      ...WEIGHTED.flatMap((word) => set.weighted[word]),
    ];
    expect(others.filter((text) => unseen(text).length > 0)).toEqual([]);
  });

  test('prompts ask for what they say, and for all of it', () => {
    for (const { text, things, colours, place, time } of [...set.newCaptions, ...set.neverSeen]) {
      const said = (list: readonly string[]): string[] => list.filter((word) => words(text).includes(word)).sort();
      expect([...things].sort()).toEqual(said(vocabulary.nouns));
      expect(colours.filter((colour) => !text.includes(colour))).toEqual([]);
      expect(place).toBe(said(vocabulary.places)[0] ?? '');
      expect(time).toBe(said(vocabulary.times)[0] ?? '');
    }
  });

  test('a swap changes one noun, and its article where English wants it', () => {
    for (const { source, targets } of set.swaps) {
      for (const {
        text,
        swap: [from, to],
      } of targets) {
        const differ = words(text).flatMap((word, i) =>
          word === words(source)[i] ? [] : [`${words(source)[i]} ${word}`],
        );
        expect(words(text)).toHaveLength(words(source).length);
        expect(differ.filter((pair) => !['a an', 'an a'].includes(pair))).toEqual([`${from} ${to}`]);
        expect(text).not.toMatch(/\ba [aeiou]|\ban [^aeiou]/);
      }
    }
  });

  test('an added phrase adds what it is asked for, and nothing else', () => {
    const small = ['a', 'at', 'in', 'on', 'of', 'art', 'drawing'];
    for (const kind of ADDED) {
      for (const { source, targets } of set.added[kind] ?? []) {
        for (const { text, asked } of targets) {
          const before = words(source);
          const added = words(text).filter((word) => {
            const known = before.indexOf(word); // Each word of the source accounts for one: a thing may be red and another become it.
            if (known >= 0) before.splice(known, 1);
            return known < 0 && !small.includes(word);
          });
          expect(added).toEqual([words(asked)[0]]);
          expect(text).toContain(asked);
        }
      }
    }
  });
});

test('there are as many as the figures are to be of', () => {
  const edits = (list: readonly { targets: readonly unknown[] }[]): number =>
    list.reduce((sum, { targets }) => sum + targets.length, 0);
  expect(edits(heldOut.swaps)).toBeGreaterThanOrEqual(200);
  for (const additions of Object.values(heldOut.added)) expect(edits(additions)).toBeGreaterThanOrEqual(60);
  for (const word of WEIGHTED)
    expect(heldOut.weighted[word].filter((text) => words(text).includes(word)).length).toBeGreaterThanOrEqual(40);
});

test('no edit that settings are chosen by is measured', () => {
  const edits = ({ swaps, added, weighted }: HeldOut): string[] => [
    ...[...swaps, ...ADDED.flatMap((kind) => added[kind] ?? [])].flatMap(({ source, targets }) =>
      targets.map(({ text }) => `${source} > ${text}`),
    ),
    ...WEIGHTED.flatMap((word) => weighted[word]),
  ];
  expect(edits(tuning).filter((edit) => edits(heldOut).includes(edit))).toEqual([]);
});
