import type * as tf from '@tensorflow/tfjs';
import { PNG } from 'pngjs';
import { type Picture, toPictures } from '../image/picture';
import { writeParts } from './fileSink';
import { readBytes } from './readBytes';

/** @returns the bytes of a PNG file with 8 bits per channel, without alpha because pictures are opaque */
export function encodePng({ width, height, data }: Picture): Buffer {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return PNG.sync.write(png, { colorType: 2 });
}

/** @throws if there is no such file, or it is not a PNG */
export async function readPng(file: string): Promise<Picture> {
  const bytes = await readBytes(file);
  try {
    const { width, height, data } = PNG.sync.read(bytes);
    return { width, height, data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength) };
  } catch (error) {
    throw new Error(`${file} is not a PNG picture that can be read (${(error as Error).message}).`);
  }
}

/**
 * Encodes a batch of pictures as PNG files.
 *
 * @param images [n, height, width, 3], -1 to 1; not disposed of
 * @returns the bytes of n files
 */
export async function toPngs(images: tf.Tensor4D): Promise<Buffer[]> {
  return (await toPictures(images)).map(encodePng);
}

/**
 * Writes a batch of pictures as PNG files.
 *
 * @param images [n, height, width, 3], -1 to 1; not disposed
 * @param files n paths
 * @throws RangeError if the number of files differs from that of pictures
 */
export async function savePngs(images: tf.Tensor4D, files: readonly string[]): Promise<void> {
  if (files.length !== images.shape[0])
    throw new RangeError(`${images.shape[0]} pictures need one file each, not ${files.length} files.`);
  for (const [i, bytes] of (await toPngs(images)).entries()) await writeParts(files[i], [bytes]);
}
