import type { Picture } from './picture';

/** The attention from each cell of a grid to something: non-negative, row by row from the top left. */
export interface HeatMap {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** From black through violet and orange to pale yellow: even steps of lightness, readable without colour vision. */
const COLOURS = [
  [8, 6, 32],
  [49, 13, 92],
  [104, 24, 110],
  [158, 40, 100],
  [207, 68, 70],
  [240, 111, 32],
  [252, 165, 10],
  [246, 215, 70],
  [252, 252, 190],
];

/** @param heat 0 (none) to 1 (the most) @returns red, green and blue, each 0 to 255 */
export function heatColour(heat: number): [number, number, number] {
  const place = Math.min(1, Math.max(0, heat)) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  const share = place - below;
  return [0, 1, 2].map((c) => COLOURS[below][c] * (1 - share) + COLOURS[below + 1][c] * share) as [
    number,
    number,
    number,
  ];
}

/**
 * Overlays the map on the picture: the picture in grey, coloured from the map's coldest place to its hottest. It shows
 * where attention is, not how much. Maps are coarse, so values are interpolated between the centres of their cells.
 */
export function overlayHeat(picture: Picture, map: HeatMap): Picture {
  const { width, height, data } = picture;
  const heat = resample(map, width, height);
  const coldest = map.values.reduce((a, b) => Math.min(a, b));
  const range = map.values.reduce((a, b) => Math.max(a, b)) - coldest;
  const result = new Uint8ClampedArray(data.length);
  for (let i = 0; i < width * height; i++) {
    const at = i * 4;
    const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    const value = range > 0 ? (heat[i] - coldest) / range : 0;
    const colour = heatColour(value);
    const cover = 0.45 + 0.35 * value;
    for (let c = 0; c < 3; c++) result[at + c] = grey * (1 - cover) + colour[c] * cover;
    result[at + 3] = 255;
  }
  return { width, height, data: result };
}

/**
 * Interpolates bilinearly between the centres of the cells and extends the outermost values.
 *
 * @returns width x height values
 */
function resample(map: HeatMap, width: number, height: number): Float32Array {
  const across = between(map.width, width);
  const down = between(map.height, height);
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const top = down[y].low * map.width;
    const bottom = down[y].high * map.width;
    for (let x = 0; x < width; x++) {
      const { low, high, share } = across[x];
      const above = map.values[top + low] * (1 - share) + map.values[top + high] * share;
      const below = map.values[bottom + low] * (1 - share) + map.values[bottom + high] * share;
      result[y * width + x] = above * (1 - down[y].share) + below * down[y].share;
    }
  }
  return result;
}

/** For each of `points` along a line, the two of `cells` whose centres it lies between, and its relative position. */
function between(cells: number, points: number): { low: number; high: number; share: number }[] {
  return Array.from({ length: points }, (_, point) => {
    const place = Math.min(cells - 1, Math.max(0, ((point + 0.5) * cells) / points - 0.5));
    const low = Math.floor(place);
    return { low, high: Math.min(low + 1, cells - 1), share: place - low };
  });
}
