import * as tf from '@tensorflow/tfjs';

/** A picture with 8 bits per channel: RGBA, row by row from the top left, as in PNG files and canvases. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/**
 * Converts a batch to opaque pictures; values outside the range are clipped, as in diffusers' `VaeImageProcessor`.
 *
 * @param images [n, height, width, 3], -1 to 1; not disposed of
 */
export async function toPictures(images: tf.Tensor4D): Promise<Picture[]> {
  const [count, height, width] = images.shape;
  const bytes = tf.tidy(() => {
    const scaled = tf.round(tf.mul(tf.clipByValue(tf.add(tf.mul(images, 0.5), 0.5), 0, 1), 255));
    return tf.concat([scaled, tf.fill([count, height, width, 1], 255)], 3);
  });
  const values = await bytes.data();
  bytes.dispose();
  const size = height * width * 4;
  return Array.from({ length: count }, (_, i) => ({
    width,
    height,
    data: Uint8ClampedArray.from(values.subarray(i * size, (i + 1) * size)),
  }));
}

/**
 * Converts pictures of the same size to a batch, without alpha.
 *
 * @returns [n, height, width, 3], -1 to 1, as the autoencoder takes them
 * @throws RangeError if there are none, or they differ in size
 */
export function fromPictures(pictures: readonly Picture[]): tf.Tensor4D {
  if (pictures.length === 0) throw new RangeError('A batch needs at least one picture.');
  const [{ width, height }] = pictures;
  const other = pictures.find((picture) => picture.width !== width || picture.height !== height);
  if (other)
    throw new RangeError(
      `The pictures of a batch must have one size, not ${width}x${height} and ${other.width}x${other.height}.`,
    );
  return tf.tidy(() => {
    const rgba = pictures.map(({ data }) => tf.tensor3d(Int32Array.from(data), [height, width, 4], 'int32'));
    const rgb = tf.slice(tf.stack(rgba) as tf.Tensor4D, [0, 0, 0, 0], [-1, -1, -1, 3]);
    return tf.sub(tf.div(tf.cast(rgb, 'float32'), 127.5), 1);
  });
}

/** Enlarges a picture, drawing every pixel as a square of `factor` x `factor` (a positive integer). */
export function enlarge({ width, height, data }: Picture, factor: number): Picture {
  const enlarged = {
    width: width * factor,
    height: height * factor,
    data: new Uint8ClampedArray(data.length * factor * factor),
  };
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(enlarged.data.buffer);
  for (let y = 0, at = 0; y < enlarged.height; y++) {
    const row = Math.floor(y / factor) * width;
    for (let x = 0; x < enlarged.width; x++) to[at++] = from[row + Math.floor(x / factor)];
  }
  return enlarged;
}
