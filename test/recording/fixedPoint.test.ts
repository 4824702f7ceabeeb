import fc from 'fast-check';
import { fromFixedPoint, toFixedPoint } from '../../src/recording/fixedPoint';

const numbers = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) });
const groups = fc.integer({ min: 1, max: 9 }).chain((size) => fc.array(fc.array(numbers, { minLength: size, maxLength: size }), { minLength: 1, maxLength: 5 }));

test('no number is further off than 1/65534 of the largest of its group', () => {
  fc.assert(fc.property(groups, (values) => {
    const back = fromFixedPoint(toFixedPoint(Float32Array.from(values.flat()), values.length));
    values.forEach((group, g) => {
      const largest = Math.max(...group.map(Math.abs));
      // A hair more for float32: the product is rounded, and below its normal range so is the scale.
      group.forEach((value, i) => expect(Math.abs(back[g * group.length + i]! - value)).toBeLessThanOrEqual(largest * (1 / 65534 + 1e-6) + 1e-38));
    });
  }));
});

test('the largest number keeps its size, and nought stays nought', () => {
  const back = fromFixedPoint(toFixedPoint(Float32Array.of(0, -3, 1.5, 0, 0, 0), 2));
  expect([...back]).toEqual([0, expect.closeTo(-3, 5), expect.closeTo(1.5, 4), 0, 0, 0]);
});
