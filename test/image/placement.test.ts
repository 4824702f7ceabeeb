import fc from 'fast-check';
import type { Picture } from '../../src/image/picture';
import { FITS, fitMask, fitPicture, place, putBack, toMultiples } from '../../src/image/placement';
import { largestDifference } from './expectedPictures';

const plain = (width: number, height: number, colour: (x: number, y: number) => number[]): Picture => ({
  width,
  height,
  data: Uint8ClampedArray.from(
    Array.from({ length: width * height }, (_, i) => [...colour(i % width, Math.floor(i / width)), 255]).flat(),
  ),
});
const columns = (picture: Picture): number[] => Array.from({ length: picture.width }, (_, x) => picture.data[4 * x]!);
const ones = (width: number, height: number, value = 1) => ({
  width,
  height,
  data: new Float32Array(width * height).fill(value),
});

test('a side comes to the nearest multiple, and never to nothing', () => {
  expect(toMultiples({ width: 1000, height: 3 }, 8)).toEqual({ width: 1000, height: 8 });
  expect(toMultiples({ width: 1003, height: 1005 }, 8)).toEqual({ width: 1000, height: 1008 });
});

test('cover cuts off the same on both sides, as the published code crops the middle', () => {
  const { from, to } = place({ width: 12, height: 5 }, { width: 8, height: 8 });
  expect(from).toEqual({ x: 3, y: 0, width: 5, height: 5 });
  expect(to).toEqual({ x: 0, y: 0, width: 8, height: 8 });
});

test('contain shows the whole picture and goes on with its outermost pixels', () => {
  const picture = plain(2, 4, (x) => [x === 0 ? 10 : 200, 0, 0]);
  const placement = place(picture, { width: 8, height: 4 }, 'contain');
  expect(placement.to).toEqual({ x: 3, y: 0, width: 2, height: 4 });
  expect(columns(fitPicture(picture, placement))).toEqual([10, 10, 10, 10, 200, 200, 200, 200]);
});

test('stretch changes the shape', () => {
  const picture = plain(4, 2, (x) => [x < 2 ? 0 : 255, 0, 0]);
  const fitted = fitPicture(picture, place(picture, { width: 2, height: 6 }, 'stretch'));
  expect([fitted.width, fitted.height]).toEqual([2, 6]);
  expect(columns(fitted)[0]).toBeLessThan(columns(fitted)[1]!);
});

test('of its own size a picture is itself, whatever the fit', () => {
  const picture = plain(5, 7, (x, y) => [x * 50, y * 30, 7]);
  for (const fit of FITS) expect(fitPicture(picture, place(picture, picture, fit))).toEqual(picture);
});

test("where the mask is 0, what is put back is the original's bytes", () => {
  const sizes = fc.record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    fit: fc.constantFrom(...FITS),
  });
  fc.assert(
    fc.property(sizes, ({ width, height, fit }) => {
      const original = plain(width, height, (x, y) => [(x * 37) % 256, (y * 91) % 256, (x * y) % 256]);
      const placement = place(original, { width: 16, height: 8 }, fit);
      const edited = plain(16, 8, () => [1, 2, 3]);
      expect(putBack(original, edited, ones(2, 1, 0), placement)).toEqual(original);
    }),
    { numRuns: 50 },
  );
});

test('where the mask is 1, what is put back is the edit', () => {
  const original = plain(32, 16, () => [200, 200, 200]);
  const edited = plain(16, 8, () => [10, 20, 30]);
  const back = putBack(original, edited, ones(2, 1), place(original, edited));
  expect(
    largestDifference(
      back,
      plain(32, 16, () => [10, 20, 30]),
    ),
  ).toBe(0);
});

test('a mask of few cells is soft between them', () => {
  const original = plain(32, 16, () => [200, 200, 200]);
  const edited = plain(16, 8, () => [0, 0, 0]);
  const mask = { width: 2, height: 1, data: Float32Array.of(1, 0) };
  const row = columns(putBack(original, edited, mask, place(original, edited)));
  expect(row[0]).toBe(0);
  expect(row[31]).toBe(200);
  expect(row).toEqual([...row].sort((a, b) => a - b));
  expect(new Set(row).size).toBeGreaterThan(10);
});

test('the edit fades towards a side where the original goes on, and only there', () => {
  const original = plain(100, 40, () => [200, 200, 200]);
  const edited = plain(16, 16, () => [0, 0, 0]);
  const row = columns(putBack(original, edited, ones(1, 1), place(original, edited), 10));
  expect(row[29]).toBe(200);
  expect(row[30]).toBe(190);
  expect(row[50]).toBe(0);
  expect(row[69]).toBe(190);
  const cut = place(original, edited);
  expect(putBack(original, edited, ones(1, 1), cut, 10).data[50 * 4]).toBe(0);
});

test('pictures of other sizes than the placement says are refused', () => {
  const original = plain(4, 4, () => [0, 0, 0]);
  const placement = place(original, { width: 8, height: 8 });
  expect(() => putBack(original, original, ones(1, 1), placement)).toThrow("The picture is 4x4, its placement's 8x8.");
});

test("a mask of any size comes to the fitted picture's, with nothing where the original ends", () => {
  const placement = place({ width: 4, height: 8 }, { width: 8, height: 8 }, 'contain');
  const mask = fitMask(ones(3, 5), placement);
  expect([mask.width, mask.height]).toEqual([8, 8]);
  expect([...mask.data.slice(0, 8)]).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
});
