import fc from 'fast-check';
import { bootstrap, grows, mean, wilson } from '../../evaluate/statistics';

test("Wilson's interval", () => {
  // Computed in Python, with z = 1.959964.
  const known: [number, number, number, number][] = [
    [8, 10, 0.490162, 0.943318],
    [0, 20, 0, 0.161125],
    [20, 20, 0.838875, 1],
    [190, 200, 0.910421, 0.972615],
  ];
  for (const [hits, n, low, high] of known) {
    const found = wilson(Array.from({ length: n }, (_, i) => i < hits));
    expect(found).toEqual({ value: hits / n, low: expect.closeTo(low, 4), high: expect.closeTo(high, 4), n });
  }
});

test("a bootstrap's interval of a mean is that of its standard error, and the same every time", () => {
  const samples = Array.from({ length: 400 }, (_, i) => [Math.sin(i * 7.3)]);
  const estimate = bootstrap(samples, mean);
  const values = samples.flat();
  const error = 1.96 * Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) / values.length);
  expect(estimate.value).toBeCloseTo(mean(values), 12);
  expect(estimate.n).toBe(400);
  expect((estimate.high - estimate.low) / (2 * error)).toBeGreaterThan(0.85);
  expect((estimate.high - estimate.low) / (2 * error)).toBeLessThan(1.15);
  expect(bootstrap(samples, mean)).toEqual(estimate);
});

test('samples of one group are drawn together: copies of a sample say no more than it does', () => {
  const groups = Array.from({ length: 50 }, (_, i) => [Math.cos(i * 3.1)]);
  const [once, thrice] = [
    bootstrap(groups, mean),
    bootstrap(
      groups.map(([value]) => [value, value, value]),
      mean,
    ),
  ];
  expect(thrice.n).toBe(150);
  expect(thrice.low).toBeCloseTo(once.low, 12);
  expect(thrice.high).toBeCloseTo(once.high, 12);
});

test('amounts grow if none falls by more than a twentieth of the largest', () => {
  expect(grows([0, 10, 20, 30, 40])).toBe(true);
  expect(grows([0, 10, 8, 30, 40])).toBe(true);
  expect(grows([0, 10, 7, 30, 40])).toBe(false);
  expect(grows([10, 10, 10, 10, 10])).toBe(false);
  expect(grows([0, 0, 0, 0, 0])).toBe(false);
  expect(grows([40, 41, 40, 41, 39])).toBe(false);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(), { minLength: 2 }), (amounts) => grows([...amounts].sort((a, b) => a - b))),
  );
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 2 }), (amounts) => !(grows(amounts) && grows([...amounts].reverse()))),
  );
});
