import { bilinear, resample } from '../../src/image/resample';
import { expectedFiles, expectedResizes, largestDifference } from './expectedPictures';

const source = expectedFiles.get('source.png')!;

test.each(expectedResizes)(
  'a part $box in another size is what Pillow makes of it, but for rounding',
  ({ box, picture }) => {
    const resized = resample(source, box, picture);
    expect(largestDifference(resized, picture)).toBeLessThanOrEqual(1);
  },
);

test('a mask that gets smaller keeps its mean, and one that gets larger its range', () => {
  const data = Float32Array.from({ length: 64 }, (_, i) => Number(i % 8 > 2));
  const mask = { width: 8, height: 8, data };
  const box = { x: 0, y: 0, width: 8, height: 8 };
  const smaller = resample(mask, box, { width: 1, height: 1 }, bilinear);
  expect(smaller.data[0]).toBeCloseTo(5 / 8, 1);
  const larger = resample(mask, box, { width: 31, height: 9 }, bilinear);
  expect(Math.min(...larger.data)).toBe(0);
  expect(Math.max(...larger.data)).toBe(1);
});
