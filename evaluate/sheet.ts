import * as tf from '@tensorflow/tfjs';
import { readPng } from '../src/node/png';

/** Reads a row of a sheet of square pictures without gaps. @returns [pictures, side, side, 3], -1 to 1 */
export async function readRow(file: string, row: number, columns: number): Promise<tf.Tensor4D> {
  const { width, height, data } = await readPng(file);
  const side = width / columns;
  return tf.tidy(() => {
    const pixels = tf.sub(tf.div(tf.tensor3d(Float32Array.from(data), [height, width, 4]), 127.5), 1);
    return tf.stack(
      Array.from({ length: columns }, (_, column) => tf.slice(pixels, [row * side, column * side, 0], [side, side, 3])),
    ) as tf.Tensor4D;
  });
}
