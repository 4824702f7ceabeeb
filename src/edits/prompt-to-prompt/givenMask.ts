import * as tf from '@tensorflow/tfjs';
import type { AttentionController, Grid } from '../../attention/controller';
import { takeRow } from '../../attention/rows';

/** How much each place of a picture may change, from 0 (not at all) to 1, row by row from the top left. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** How a given mask combines with the words' region: the edit stays within both (`within`) or in either (`union`). */
export const MASK_MODES = ['within', 'union'] as const;
export type MaskMode = (typeof MASK_MODES)[number];

/**
 * Keeps an edit inside a mask given by the user: after every step, the targets' latents are the source's where the mask
 * is 0, and a blend of the two where it is soft (Blended Diffusion, arXiv 2111.14818, on latents).
 *
 * @param mask at the picture's size, a multiple of the latents'
 */
export function maskBlend(mask: Mask): AttentionController {
  return {
    wants: () => [],
    onLatents: (latents) =>
      tf.tidy(() => {
        const [, height, width] = latents.shape;
        const source = takeRow(latents, 0);
        return tf.add(source, tf.mul(onLatentsGrid(mask, { height, width }), tf.sub(latents, source)));
      }),
  };
}

/**
 * The mask's mean over each cell of the latents: [1, height, width, 1].
 *
 * @throws RangeError if its size is not a multiple of theirs, or it has more or fewer values
 */
export function onLatentsGrid({ width, height, data }: Mask, grid: Grid): tf.Tensor4D {
  if (data.length !== width * height || data.length === 0)
    throw new RangeError(`A mask of ${width}x${height} has ${data.length} values: give one for each pixel.`);
  const cell: [number, number] = [height / grid.height, width / grid.width];
  if (!cell.every(Number.isInteger))
    throw new RangeError(
      `A mask of ${width}x${height} does not cover latents of ${grid.width}x${grid.height}: give it at the picture's size.`,
    );
  return tf.tidy(() => tf.avgPool(tf.tensor4d(data, [1, height, width, 1]), cell, cell, 'valid'));
}
