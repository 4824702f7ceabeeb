import type { AttentionCall, Grid } from './controller';

export function queriesOf({ height, width }: Grid): number {
  return height * width;
}

/**
 * The largest grid, in queries, whose attention holds a picture's layout but not its detail: a quarter of the latents'
 * height and width, but never less than 16x16. Self-injection goes up to it and local blend reads its masks there by
 * default.
 *
 * At 64x64 latents this is 16x16: the largest grid at which the authors' Prompt-to-Prompt notebook injects
 * self-attention, and the one its blend reads. (Their null-text notebook injects up to 32x32; its blend reads 16x16
 * too.) At 96x64 it is 24x16; at 16x16 latents it includes every grid.
 */
export function layoutQueries(latents: Grid): number {
  return Math.max(16 * 16, Math.ceil(latents.height / 4) * Math.ceil(latents.width / 4));
}

/**
 * Whether a call's grid has at most `maxSize` x `maxSize` places; without it, at most {@link layoutQueries}.
 *
 * @throws RangeError if `maxSize` is less than 0, or not a number
 */
export function isWithin({ grid, latents }: Pick<AttentionCall, 'grid' | 'latents'>, maxSize?: number): boolean {
  if (maxSize !== undefined && !(maxSize >= 0))
    throw new RangeError(`The side of the largest grid is ${maxSize}: it must be 0 or more.`);
  return queriesOf(grid) <= (maxSize === undefined ? layoutQueries(latents) : maxSize ** 2);
}
