import fc from 'fast-check';
import { changed, changesOf } from '../../src/recording/changes';

const numbers = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) });
const groups = fc.integer({ min: 1, max: 9 }).chain((size) =>
  fc.array(fc.array(fc.tuple(numbers, numbers), { minLength: size, maxLength: size }), {
    minLength: 1,
    maxLength: 5,
  }),
);

test('no number is further off than 1/65534 of the largest change of its group', () => {
  fc.assert(
    fc.property(groups, (pairs) => {
      const [before, after] = [0, 1].map((which) => Float32Array.from(pairs.flat().map((pair) => pair[which])));
      const found = changed(before, changesOf(before, after, pairs.length));
      pairs.forEach((group, g) => {
        const largest = Math.max(...group.map(([from, to]) => Math.abs(to - from)));
        // A hair more for float32: the sum and the product are rounded, and below its normal range so is the scale.
        group.forEach(([from, to], i) =>
          expect(Math.abs(found[g * group.length + i] - to)).toBeLessThanOrEqual(
            largest * (1 / 65534 + 1e-6) + (Math.abs(from) + Math.abs(to)) * 1e-7 + 1e-38,
          ),
        );
      });
    }),
  );
});

test('the largest change keeps its size, and what does not change stays as it is', () => {
  const before = Float32Array.of(1, 1, 1, 0.1, 0.2, 0.3);
  const found = changed(before, changesOf(before, Float32Array.of(1, -2, 2.5, 0.1, 0.2, 0.3), 2));
  expect([...found.subarray(0, 3)]).toEqual([1, expect.closeTo(-2, 5), expect.closeTo(2.5, 4)]);
  expect(found.subarray(3)).toEqual(before.subarray(3));
});

test('errors do not add up over many steps', () => {
  const at = (step: number): Float32Array => Float32Array.from({ length: 100 }, (_, i) => Math.sin(0.05 * step + i));
  let told = at(0);
  for (let step = 1; step < 500; step++) told = changed(told, changesOf(told, at(step), 1));
  expect(Math.max(...told.map((value, i) => Math.abs(value - at(499)[i])))).toBeLessThan((0.05 / 65534) * 1.1);
});
