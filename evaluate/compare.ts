import type { Picture } from '../src/image/picture';
import type { Verdict } from './judge';

/** A square grid of yes and no, row by row from the top left. */
export type Mask = readonly boolean[];

/** Where a picture has a thing, with its fluff and its blossom, as the judge sees it: 32x32. */
export function thingsOf({ pixels }: Verdict): Mask {
  return pixels.map((pixel) => pixel !== 'background' && pixel !== 'snow');
}

export function either(a: Mask, b: Mask): Mask {
  return a.map((yes, i) => yes || b[i]);
}

export function not(mask: Mask): Mask {
  return mask.map((yes) => !yes);
}

/** The mask and the cells that touch it, by a corner too. */
export function grown(mask: Mask): Mask {
  const side = Math.sqrt(mask.length);
  const at = (row: number, column: number): boolean => column >= 0 && column < side && mask[row * side + column];
  const near = [-1, 0, 1];
  return mask.map((_, i) => near.some((down) => near.some((right) => at(Math.floor(i / side) + down, (i % side) + right))));
}

/** How much of two masks is common to both, 0 to 1 (intersection over union); nothing if both are empty. */
export function overlap(a: Mask, b: Mask): number | undefined {
  const union = either(a, b).filter(Boolean).length;
  return union === 0 ? undefined : a.filter((yes, i) => yes && b[i]).length / union;
}

/** The mean absolute difference of two pictures' colours, 0 to 255, in the cells of a mask; nothing if it has none. */
export function meanDifference(a: Picture, b: Picture, where: Mask): number | undefined {
  const side = Math.sqrt(where.length);
  let [sum, count] = [0, 0];
  for (let i = 0; i < a.data.length; i++) {
    const pixel = i >> 2;
    const row = Math.floor((Math.floor(pixel / a.width) * side) / a.height);
    const column = Math.floor(((pixel % a.width) * side) / a.width);
    if (i % 4 === 3 || !where[row * side + column]) continue; // The fourth is opacity.
    sum += Math.abs(a.data[i] - b.data[i]);
    count += 1;
  }
  return count === 0 ? undefined : sum / count;
}
