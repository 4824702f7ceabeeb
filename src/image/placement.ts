import type { Mask } from '../edits/prompt-to-prompt/givenMask';
import type { Box } from './layout';
import type { Picture } from './picture';
import { bilinear, resample, type Size } from './resample';

/**
 * How a picture is fitted to a model's size: `cover` fills it and crops the excess evenly on both sides; `contain`
 * shows the whole picture and pads it with its outermost pixels; `stretch` changes its aspect ratio.
 */
export const FITS = ['cover', 'contain', 'stretch'] as const;
export type Fit = (typeof FITS)[number];

/** Which part of the original goes where in the fitted picture. */
export interface Placement {
  readonly original: Size;
  readonly fitted: Size;
  readonly from: Box;
  readonly to: Box;
}

/** The size with each side rounded to the nearest multiple of the factor, but at least the factor. */
export function toMultiples({ width, height }: Size, factor: number): Size {
  const nearest = (side: number): number => Math.max(1, Math.round(side / factor)) * factor;
  return { width: nearest(width), height: nearest(height) };
}

export function place(original: Size, fitted: Size, fit: Fit = 'cover'): Placement {
  const scales = [fitted.width / original.width, fitted.height / original.height];
  const whole = { original, fitted, from: { x: 0, y: 0, ...sizeOf(original) }, to: { x: 0, y: 0, ...sizeOf(fitted) } };
  if (fit === 'cover') return { ...whole, from: inTheMiddle(fitted, 1 / Math.max(...scales), original) };
  if (fit === 'contain') return { ...whole, to: inTheMiddle(original, Math.min(...scales), fitted) };
  return whole;
}

/** The scaled size as a box centred in a larger one, in whole pixels. */
function inTheMiddle(size: Size, scale: number, outer: Size): Box {
  const width = Math.min(outer.width, Math.max(1, Math.round(size.width * scale)));
  const height = Math.min(outer.height, Math.max(1, Math.round(size.height * scale)));
  return { x: Math.floor((outer.width - width) / 2), y: Math.floor((outer.height - height) / 2), width, height };
}

const sizeOf = ({ width, height }: Size): Size => ({ width, height });

export function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

export function sizeInWords({ width, height }: Size): string {
  return `${width}x${height}`;
}

/** Fits the picture to the model's size. */
export function fitPicture(picture: Picture, { from, to, fitted }: Placement): Picture {
  const { data } = resample(picture, from, to);
  if (to.width === fitted.width && to.height === fitted.height) return { ...sizeOf(fitted), data };
  const padded = { ...sizeOf(fitted), data: new Uint8ClampedArray(fitted.width * fitted.height * 4) };
  const within = (at: number, length: number): number => Math.min(length - 1, Math.max(0, at));
  for (let y = 0, at = 0; y < fitted.height; y++) {
    for (let x = 0; x < fitted.width; x++, at += 4) {
      const source = (within(y - to.y, to.height) * to.width + within(x - to.x, to.width)) * 4;
      padded.data.set(data.subarray(source, source + 4), at);
    }
  }
  return padded;
}

/**
 * Converts a mask of the original, drawn at any size, to a mask of the fitted picture. Padding, which is not part of
 * the original, is 0.
 */
export function fitMask(mask: Mask, { original, from, to, fitted }: Placement): Mask {
  const full = resample(mask, { x: 0, y: 0, ...sizeOf(mask) }, original, bilinear);
  const part = resample(full, from, to, bilinear);
  const data = new Float32Array(fitted.width * fitted.height);
  for (let y = 0; y < to.height; y++)
    data.set(part.data.subarray(y * to.width, (y + 1) * to.width), (to.y + y) * fitted.width + to.x);
  return { ...sizeOf(fitted), data };
}

/**
 * Puts an edit back into the original at its own size. Where the mask is 0, and outside what the fitted picture shows,
 * every byte is the original's.
 *
 * @param edited the edited picture, at the fitted size
 * @param mask of the fitted picture, at any size, such as the latents'; it is interpolated between its cells
 * @param fade over how many of the original's pixels the edit fades out towards a cropped side
 * @throws RangeError if the pictures do not have the placement's sizes
 */
export function putBack(original: Picture, edited: Picture, mask: Mask, placement: Placement, fade = 16): Picture {
  const { from, to, fitted } = placement;
  for (const [picture, size] of [
    [original, placement.original],
    [edited, fitted],
  ] as const) {
    if (picture.width !== size.width || picture.height !== size.height)
      throw new RangeError(
        `The picture is ${picture.width}x${picture.height}, its placement's ${size.width}x${size.height}.`,
      );
  }
  const shares = resample(resample(mask, { x: 0, y: 0, ...sizeOf(mask) }, fitted, bilinear), to, from, bilinear);
  const pixels = resample(edited, to, from);
  const data = Uint8ClampedArray.from(original.data);
  const fadeX = fading(from.x, from.width, original.width, fade);
  const fadeY = fading(from.y, from.height, original.height, fade);
  for (let y = 0, i = 0; y < from.height; y++) {
    for (let x = 0; x < from.width; x++, i++) {
      const share = shares.data[i] * fadeX(x) * fadeY(y);
      if (share === 0) continue;
      const at = ((from.y + y) * original.width + from.x + x) * 4;
      for (let c = 0; c < 3; c++) data[at + c] += share * (pixels.data[i * 4 + c] - data[at + c]);
    }
  }
  return { ...sizeOf(original), data };
}

/** The edit's share at a position along one axis; it fades towards an end if the original continues beyond it. */
function fading(start: number, length: number, whole: number, fade: number): (at: number) => number {
  const before = start > 0;
  const after = start + length < whole;
  return (at) => Math.min(1, before ? (at + 0.5) / fade : 1, after ? (length - at - 0.5) / fade : 1);
}
