import type { HeatMap } from '../../src/image/heatMap';
import { heatColour, overlayHeat } from '../../src/image/heatMap';
import type { Picture } from '../../src/image/picture';

const grey = (width: number, height: number): Picture => ({
  width,
  height,
  data: new Uint8ClampedArray(width * height * 4).fill(128),
});
const map = (width: number, height: number, values: number[]): HeatMap => ({
  width,
  height,
  values: Float32Array.from(values),
});
const lightness = ({ data }: Picture, pixel: number): number =>
  data[pixel * 4] + data[pixel * 4 + 1] + data[pixel * 4 + 2];

test('colours grow lighter with heat, and never leave their range', () => {
  const lights = Array.from({ length: 101 }, (_, i) => heatColour(i / 100)).map(
    ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b,
  );
  for (let i = 1; i < lights.length; i++) expect(lights[i]).toBeGreaterThan(lights[i - 1]);
  expect(heatColour(-1)).toEqual(heatColour(0));
  expect(heatColour(7)).toEqual(heatColour(1));
});

test('the picture is lit where its map is hot', () => {
  const lit = overlayHeat(grey(8, 4), map(2, 1, [0, 1]));
  expect([lit.width, lit.height]).toEqual([8, 4]);
  for (let y = 0; y < 4; y++)
    for (let x = 1; x < 8; x++) expect(lightness(lit, y * 8 + x)).toBeGreaterThanOrEqual(lightness(lit, y * 8 + x - 1));
  expect(lightness(lit, 7)).toBeGreaterThan(lightness(lit, 0) + 100);
});

test('rows of the map are rows of the picture', () => {
  const lit = overlayHeat(grey(4, 8), map(1, 2, [1, 0]));
  expect(lightness(lit, 0)).toBeGreaterThan(lightness(lit, 4 * 8 - 1) + 100);
});

test('a map shows where, not how much: its own coldest and hottest places are the ends of the scale', () => {
  expect(overlayHeat(grey(4, 4), map(2, 2, [0.5, 0.5, 0.75, 1]))).toEqual(
    overlayHeat(grey(4, 4), map(2, 2, [0, 0, 8, 16])),
  );
});

test('a map that is the same everywhere is cold everywhere', () => {
  const cold = overlayHeat(grey(2, 2), map(2, 1, [3, 3]));
  expect(new Set([0, 1, 2, 3].map((pixel) => lightness(cold, pixel))).size).toBe(1);
});
