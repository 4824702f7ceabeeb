import type { Mask } from '../edits/prompt-to-prompt/givenMask';
import type { Picture } from './picture';
import type { Raster } from './resample';

/** Reads a picture as a mask: white may change, black may not, and grey may change partly (by its Rec. 601 luma). */
export function toMask({ width, height, data }: Picture): Mask {
  const share = (i: number): number => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255;
  return { width, height, data: Float32Array.from({ length: width * height }, (_, i) => share(i)) };
}

/**
 * Where one picture differs from another of the same size, by the channel that differs most: 0 for differences up to
 * `least`, which rounding and the autoencoder cause, rising to 1 at four times that.
 */
export function changeMask(before: Picture, after: Picture, least = 6): Mask {
  const { width, height } = before;
  const change = (i: number): number =>
    Math.max(...[0, 1, 2].map((c) => Math.abs(before.data[4 * i + c] - after.data[4 * i + c])));
  const share = (i: number): number => Math.min(1, Math.max(0, (change(i) - least) / (3 * least)));
  return { width, height, data: Float32Array.from({ length: width * height }, (_, i) => share(i)) };
}

/**
 * Softens a mask so that its edges go from 0 to 1 over twice the radius, half of that on either side, by two box blurs
 * in a row.
 *
 * @param radius in pixels of the mask; 0 leaves it unchanged
 */
export function feather(mask: Mask, radius: number): Mask {
  if (!(radius >= 0)) throw new RangeError(`A mask can be feathered by 0 or more pixels, not by ${radius}.`);
  const half = radius / 2;
  return half === 0 ? mask : boxMean(boxMean(mask, half), half);
}

/**
 * The mean over a square that extends `reach` in all directions; the outermost values are extended beyond the edges.
 */
function boxMean({ width, height, data }: Mask, reach: number): Mask {
  const across = new Float32Array(data.length);
  for (let y = 0; y < height; y++) lineMean(data, across, y * width, 1, width, reach);
  const both = new Float32Array(data.length);
  for (let x = 0; x < width; x++) lineMean(across, both, x, width, height, reach);
  return { width, height, data: both };
}

/** The mean along one line, from cumulative sums. A reach of 1.5 includes half of the second neighbour. */
function lineMean(
  from: Float32Array,
  to: Float32Array,
  start: number,
  step: number,
  length: number,
  reach: number,
): void {
  const sums = new Float64Array(length + 1);
  for (let i = 0; i < length; i++) sums[i + 1] = sums[i] + from[start + i * step];
  const [first, last] = [from[start], from[start + (length - 1) * step]];
  const upTo = (at: number): number => {
    if (at <= 0) return at * first;
    if (at >= length) return sums[length] + (at - length) * last;
    const whole = Math.floor(at);
    return sums[whole] + (at - whole) * (sums[whole + 1] - sums[whole]);
  };
  for (let i = 0; i < length; i++) to[start + i * step] = (upTo(i + 1 + reach) - upTo(i - reach)) / (1 + 2 * reach);
}

/** A mask as a greyscale picture. */
export function maskPicture({ width, height, data }: Raster<Float32Array>): Picture {
  const bytes = new Uint8ClampedArray(width * height * 4);
  data.forEach((share, i) => bytes.fill(share * 255, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  return { width, height, data: bytes };
}
