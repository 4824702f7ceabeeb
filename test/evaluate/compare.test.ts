import { apart, either, grown, meanDifference, not } from '../../evaluate/compare';
import type { Picture } from '../../src/image/picture';

const mask = (...rows: string[]): boolean[] => [...rows.join('')].map((cell) => cell === '#');
const grey = (side: number, levels: readonly number[]): Picture => ({
  width: side,
  height: side,
  data: Uint8ClampedArray.from(levels.flatMap((level) => [level, level, level, 255])),
});

test('a mask grows by one cell all around, and not over the edge to the other side', () => {
  expect(grown(mask('#...', '....', '....', '....'))).toEqual(mask('##..', '##..', '....', '....'));
  expect(grown(mask('...#', '....', '....', '....'))).toEqual(mask('..##', '..##', '....', '....'));
  expect(grown(mask('....', '....', '.#..', '....'))).toEqual(mask('....', '###.', '###.', '###.'));
  expect(grown(mask('....', '....', '....', '...#'))).toEqual(mask('....', '....', '..##', '..##'));
});

test('two masks are apart by what is in one of them only', () => {
  const [a, b] = [mask('##', '..'), mask('.#', '.#')];
  expect(apart(a, b)).toBeCloseTo(2 / 3, 12);
  expect(apart(a, a)).toBe(0);
  expect(apart(a, not(a))).toBe(1);
  expect(apart(mask('..', '..'), mask('..', '..'))).toBeUndefined();
  expect(either(a, b)).toEqual(mask('##', '.#'));
});

test('the mean difference is of colours, in the pixels that a coarser mask covers', () => {
  const before = grey(4, Array(16).fill(100));
  const after = grey(4, [100, 100, 110, 130, 100, 100, 100, 80, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect(meanDifference(before, after, mask('.#', '..'))).toBeCloseTo((10 + 30 + 0 + 20) / 4, 12);
  expect(meanDifference(before, after, mask('##', '..'))).toBeCloseTo(60 / 8, 12);
  expect(meanDifference(before, after, mask('..', '..'))).toBeUndefined();
});
