import fc from 'fast-check';
import type { Band, Box, Layout, Mark, Panel, TextRun } from '../../src/image/layout';
import { layOut } from '../../src/image/layout';

/** Bold words are wider, as they are in a font. */
const measure = (text: string, _style: unknown, mark: Mark, unit: number): number =>
  [...text].length * (mark === 'plain' ? 7 : 8) * unit;
const picture = { width: 4, height: 3, data: new Uint8ClampedArray(48) };

const run: fc.Arbitrary<TextRun> = fc.record({
  text: fc.string({ unit: 'grapheme', maxLength: 60 }),
  mark: fc.constantFrom('plain' as const, 'changed' as const, 'replaced' as const),
});
const runs = fc.array(run, { maxLength: 6 });
const panel: fc.Arbitrary<Panel> = fc.record({
  heading: fc.option(fc.string(), { nil: undefined }),
  tiles: fc.array(fc.record({ picture: fc.constant(picture), caption: fc.option(runs, { nil: undefined }) }), {
    maxLength: 5,
  }),
  prompt: fc.option(runs, { nil: undefined }),
  notes: fc.array(fc.string(), { maxLength: 3 }),
});
const bands: fc.Arbitrary<Band[]> = fc.array(
  fc.record({
    title: fc.option(fc.string(), { nil: undefined }),
    panels: fc.array(fc.option(panel, { nil: undefined }), { maxLength: 6 }),
  }),
  { maxLength: 4 },
);

const within = (box: Box, { width, height }: Layout): boolean =>
  box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 1e-6 && box.y + box.height <= height + 1e-6;
const overlap = (a: Box, b: Box): boolean =>
  a.x + a.width > b.x + 1e-6 &&
  b.x + b.width > a.x + 1e-6 &&
  a.y + a.height > b.y + 1e-6 &&
  b.y + b.height > a.y + 1e-6;

test('nothing is clipped and nothing covers anything else, whatever the texts', () => {
  fc.assert(
    fc.property(bands, fc.integer({ min: 120, max: 800 }), (figure, columnWidth) => {
      const layout = layOut(figure, columnWidth, measure);
      const boxes: Box[] = [...layout.pictures, ...layout.texts];
      expect(boxes.filter((box) => !within(box, layout))).toEqual([]);
      boxes.forEach((box, i) => expect(boxes.slice(i + 1).filter((other) => overlap(box, other))).toEqual([]));
    }),
    { numRuns: 150 },
  );
});

test('every character of a prompt is drawn, in order', () => {
  fc.assert(
    fc.property(runs, (prompt) => {
      const { texts } = layOut([{ panels: [{ tiles: [], prompt }] }], 150, measure);
      const drawn = texts.map(({ text }) => text).join('');
      expect(drawn.replace(/\s/g, '')).toBe(
        prompt
          .map(({ text }) => text)
          .join('')
          .replace(/\s/g, ''),
      );
    }),
  );
});

test('a line breaks at spaces, and never between a word and its full stop', () => {
  const prompt: TextRun[] = [{ text: 'a cat riding a ' }, { text: 'bicycle', mark: 'changed' }, { text: '.' }];
  const { texts } = layOut([{ panels: [{ tiles: [], prompt }] }], 130, measure);
  const lines = new Map<number, string>();
  for (const { y, text } of texts) lines.set(y, (lines.get(y) ?? '') + text);
  expect([...lines.values()]).toEqual(['a cat riding a', 'bicycle.']);
});

test('pictures keep their shape; several in one panel share its width', () => {
  const { pictures } = layOut(
    [{ panels: [{ tiles: [{ picture }] }, { tiles: [{ picture }, { picture }, { picture }] }] }],
    256,
    measure,
  );
  expect(pictures.map(({ width }) => width)).toEqual([256, 123, 123, 123]);
  pictures.forEach(({ width, height }) => expect(height / width).toBeCloseTo(3 / 4));
});
