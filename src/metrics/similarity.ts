import type { Mask } from '../edits/prompt-to-prompt/givenMask';
import type { Picture } from '../image/picture';

/** The window of {@link ssim}: 11 Gaussian weights, as in torchmetrics for a standard deviation of 1.5. */
const WINDOW = gaussian(11, 1.5);

/** The constants that keep {@link ssim}'s quotients from dividing by zero, at a range of 1. */
const [C1, C2] = [0.01 ** 2, 0.03 ** 2];

/**
 * The mean squared error of two pictures of the same size, in the range 0 to 1.
 *
 * @param kept a mask that both are first multiplied by; the mean is still over all places, as in PnPInversion's script
 */
export function mse(a: Picture, b: Picture, kept?: Mask): number {
  const [x, y] = [channels(a, kept), channels(b, kept)];
  let sum = 0;
  x.forEach((plane, c) => plane.forEach((value, i) => (sum += (value - y[c][i]) ** 2)));
  return sum / (3 * x[0].length);
}

/** The peak signal-to-noise ratio in dB at a range of 1; infinite if {@link mse} is 0. */
export function psnr(a: Picture, b: Picture, kept?: Mask): number {
  return -10 * Math.log10(mse(a, b, kept));
}

/**
 * The structural similarity (Wang et al. 2004), at most 1: the mean over all positions of an 11x11 Gaussian window with
 * standard deviation 1.5 that lie entirely in the picture, as in torchmetrics 1.2 and the benchmarks of its time. Later
 * versions let the window extend over the edges, mirroring the picture there.
 *
 * @throws RangeError if the pictures are smaller than the window
 */
export function ssim(a: Picture, b: Picture, kept?: Mask): number {
  const { width, height } = a;
  if (Math.min(width, height) < WINDOW.length)
    throw new RangeError(`SSIM needs pictures of at least ${WINDOW.length}x${WINDOW.length}, not ${width}x${height}.`);
  const [x, y] = [channels(a, kept), channels(b, kept)];
  return mean(x.map((plane, c) => mean(similarities(plane, y[c], width))));
}

function similarities(x: Float64Array, y: Float64Array, width: number): Float64Array {
  const smoothed = (values: Float64Array): Float64Array => smooth(values, width);
  const [meanX, meanY] = [smoothed(x), smoothed(y)];
  const squareX = smoothed(x.map((value) => value * value));
  const squareY = smoothed(y.map((value) => value * value));
  const product = smoothed(x.map((value, i) => value * y[i]));
  return meanX.map((mx, i) => {
    const my = meanY[i];
    const varianceX = Math.max(0, squareX[i] - mx * mx);
    const varianceY = Math.max(0, squareY[i] - my * my);
    const covariance = product[i] - mx * my;
    return ((2 * mx * my + C1) * (2 * covariance + C2)) / ((mx * mx + my * my + C1) * (varianceX + varianceY + C2));
  });
}

/** Weighted means at all positions where the window lies entirely inside. */
function smooth(values: Float64Array, width: number): Float64Array {
  const height = values.length / width;
  const across = correlate(values, width - WINDOW.length + 1, height, width, 1);
  return correlate(
    across,
    width - WINDOW.length + 1,
    height - WINDOW.length + 1,
    width - WINDOW.length + 1,
    width - WINDOW.length + 1,
  );
}

/** @param stride from line to line @param step between the values under the window */
function correlate(values: Float64Array, width: number, height: number, stride: number, step: number): Float64Array {
  const result = new Float64Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      let sum = 0;
      for (let k = 0; k < WINDOW.length; k++) sum += WINDOW[k] * values[y * stride + x + k * step];
      result[at] = sum;
    }
  }
  return result;
}

/** The red, green and blue planes, 0 to 1. */
function channels({ width, height, data }: Picture, kept?: Mask): Float64Array[] {
  return [0, 1, 2].map((c) =>
    Float64Array.from({ length: width * height }, (_, i) => (data[4 * i + c] / 255) * (kept ? kept.data[i] : 1)),
  );
}

function gaussian(size: number, deviation: number): number[] {
  const weights = Array.from({ length: size }, (_, i) => Math.exp(-(((i - (size - 1) / 2) / deviation) ** 2) / 2));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}
