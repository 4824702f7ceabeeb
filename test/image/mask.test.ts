import fc from 'fast-check';
import { changeMask, feather, maskPicture, toMask } from '../../src/image/mask';
import type { Picture } from '../../src/image/picture';

const pixels = (...colours: number[][]): Picture => ({
  width: colours.length,
  height: 1,
  data: Uint8ClampedArray.from(colours.flatMap((colour) => [...colour, 255])),
});
const line = (...data: number[]) => ({ width: data.length, height: 1, data: Float32Array.from(data) });

test('white may change, black may not, and grey in between stays in between', () => {
  const mask = toMask(pixels([255, 255, 255], [0, 0, 0], [51, 51, 51], [0, 255, 0]));
  [1, 0, 0.2, 0.587].forEach((share, i) => expect(mask.data[i]).toBeCloseTo(share, 6));
  expect([...maskPicture(line(0, 0.2, 1)).data]).toEqual([0, 0, 0, 255, 51, 51, 51, 255, 255, 255, 255, 255]);
});

test('a feathered edge goes from 0 to 1 over twice the radius, half of it on either side', () => {
  const soft = [...feather(line(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1), 4).data];
  expect(soft.slice(0, 2)).toEqual([0, 0]);
  expect(soft.slice(10)).toEqual([1, 1]);
  expect(soft).toEqual([...soft].sort((a, b) => a - b));
  expect(soft[5]! + soft[6]!).toBeCloseTo(1, 6);
  expect(soft[2]).toBeGreaterThan(0);
});

test('feathering leaves what is even as it is, and by 0 everything', () => {
  fc.assert(
    fc.property(
      fc.float({ min: 0, max: 1, noNaN: true }),
      fc.float({ min: 0, max: 9, noNaN: true }),
      (share, radius) => {
        const even = { width: 5, height: 3, data: new Float32Array(15).fill(share) };
        for (const value of feather(even, radius).data) expect(value).toBeCloseTo(share, 5);
      },
    ),
  );
  const uneven = line(0.1, 0.9, 0.4);
  expect(feather(uneven, 0)).toEqual(uneven);
  expect(() => feather(uneven, -1)).toThrow('not by -1');
});

test('what changes by little is no change', () => {
  const before = pixels([100, 100, 100], [100, 100, 100], [100, 100, 100]);
  const after = pixels([106, 95, 100], [100, 115, 100], [100, 100, 160]);
  expect([...changeMask(before, after).data]).toEqual([0, 0.5, 1]);
});
