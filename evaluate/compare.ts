import type { Picture } from '../src/image/picture';

/** A square grid of yes and no, row by row from the top left. */
export type Mask = readonly boolean[];

export function either(a: Mask, b: Mask): Mask {
  return a.map((yes, i) => yes || b[i]);
}

export function not(mask: Mask): Mask {
  return mask.map((yes) => !yes);
}

/** The mask and the cells that touch it, by a corner too; or those that are so near by as many steps. */
export function grown(mask: Mask, steps = 1): Mask {
  if (steps > 1) return grown(grown(mask, steps - 1));
  const side = Math.sqrt(mask.length);
  const at = (row: number, column: number): boolean => column >= 0 && column < side && mask[row * side + column];
  const near = [-1, 0, 1];
  return mask.map((_, i) =>
    near.some((down) => near.some((right) => at((i - (i % side)) / side + down, (i % side) + right))),
  );
}

/** The mask and what is near it: by a thirty-second of the picture's side, which is how far an outline may be off. */
export function withMargin(mask: Mask): Mask {
  return grown(mask, Math.round(Math.sqrt(mask.length) / 32));
}

/**
 * How much of either mask is not in the other, as a share of both together (1 less intersection over union), 0 to 1;
 * nothing if both are empty.
 */
export function apart(a: Mask, b: Mask): number | undefined {
  const both = either(a, b).filter(Boolean).length;
  return both === 0 ? undefined : a.filter((yes, i) => yes !== b[i]).length / both;
}

/** The mean absolute difference of two pictures' colours, 0 to 255, in the cells of a mask; nothing if it has none. */
export function meanDifference(a: Picture, b: Picture, where: Mask): number | undefined {
  const { abs, floor, sqrt } = Math; // Taken once: a test's sandbox makes each look-up slow.
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
