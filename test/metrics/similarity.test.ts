import { readFileSync } from 'node:fs';
import { mse, psnr, ssim } from '../../src/metrics/similarity';
import { drawn } from './drawn';

interface Pair {
  readonly seeds: readonly [number, number];
  readonly height: number;
  readonly width: number;
  readonly whole: Measures;
  readonly masked: Measures;
}

/** Nothing for what is infinite. */
type Measures = Readonly<Record<'mse' | 'psnr' | 'ssim', number | null>>;

const pairs = JSON.parse(readFileSync('test/fixtures/metrics/pairs.json', 'utf8')) as Pair[];

test.each(pairs)('pictures $seeds of $width x $height: as torchmetrics has it, whole and masked', (pair) => {
  const { seeds, height, width, whole, masked } = pair;
  const a = drawn(seeds[0], height, width);
  const second = drawn(seeds[1], height, width);
  const halves = { ...second, data: second.data.map((v, i) => Math.floor(a.data[i]! / 2) + Math.floor(v / 2)) };
  const b = seeds[0] === 7 ? halves : second;
  const kept = { width, height, data: new Float32Array(height * width).fill(1) };
  for (let y = Math.floor(height / 4); y < height; y++) kept.data.fill(0, y * width, y * width + Math.floor(width / 2));

  for (const [expected, mask] of [[whole], [masked, kept]] as const) {
    expect(mse(a, b, mask)).toBeCloseTo(expected.mse!, 6);
    expect(ssim(a, b, mask)).toBeCloseTo(expected.ssim!, 5);
    if (expected.psnr === null) expect(psnr(a, b, mask)).toBe(Infinity);
    else expect(psnr(a, b, mask)).toBeCloseTo(expected.psnr, 4);
  }
});

test('a picture smaller than the window has no SSIM', () => {
  expect(() => ssim(drawn(1, 20, 10), drawn(1, 20, 10))).toThrow('at least 11x11, not 10x20');
});
