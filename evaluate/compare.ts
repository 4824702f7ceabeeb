import type { Picture } from '../src/image/picture';

/** A square grid of booleans, row by row from the top left. */
export type Mask = readonly boolean[];

export function either(a: Mask, b: Mask): Mask {
  return a.map((yes, i) => yes || b[i]);
}

export function not(mask: Mask): Mask {
  return mask.map((yes) => !yes);
}

/** The mask dilated by a number of cells: each step adds the cells that touch it, corners included. */
export function grown(mask: Mask, steps = 1): Mask {
  if (steps > 1) return grown(grown(mask, steps - 1));
  const side = Math.sqrt(mask.length);
  const at = (row: number, column: number): boolean => column >= 0 && column < side && mask[row * side + column];
  const near = [-1, 0, 1];
  return mask.map((_, i) =>
    near.some((down) => near.some((right) => at((i - (i % side)) / side + down, (i % side) + right))),
  );
}

/** The mask dilated by 1/32 of the picture's side, the tolerance for outlines. */
export function withMargin(mask: Mask): Mask {
  return grown(mask, Math.round(Math.sqrt(mask.length) / 32));
}

/** How far two masks differ, 1 − intersection over union, 0 to 1; undefined if both are empty. */
export function apart(a: Mask, b: Mask): number | undefined {
  const both = either(a, b).filter(Boolean).length;
  return both === 0 ? undefined : a.filter((yes, i) => yes !== b[i]).length / both;
}

/**
 * The mean absolute difference of two pictures' colours, 0 to 255, in the cells of a mask; undefined if it is empty.
 */
export function meanDifference(a: Picture, b: Picture, where: Mask): number | undefined {
  const { abs, floor, sqrt } = Math; // Looked up once, because look-ups are slow in the test runner's sandbox.
  const side = sqrt(where.length);
  const zoom = a.width / side;
  let [sum, count] = [0, 0];
  for (let pixel = 0; pixel < a.width * a.height; pixel++) {
    const [row, column] = [floor(floor(pixel / a.width) / zoom), floor((pixel % a.width) / zoom)];
    if (!where[row * side + column]) continue;
    for (let i = 4 * pixel; i < 4 * pixel + 3; i++) sum += abs(a.data[i] - b.data[i]);
    count += 3;
  }
  return count === 0 ? undefined : sum / count;
}
