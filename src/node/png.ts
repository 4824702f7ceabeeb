import { readFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import type { Picture } from '../image/picture';

/** @returns the bytes of a PNG file of 8 bits a channel, without alpha: pictures are opaque */
export function encodePng({ width, height, data }: Picture): Buffer {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return PNG.sync.write(png, { colorType: 2 });
}

/** @throws if there is no such file, or if it is no PNG. */
export async function readPng(file: string): Promise<Picture> {
  const bytes = await readFile(file);
  try {
    const { width, height, data } = PNG.sync.read(bytes);
    return { width, height, data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength) };
  } catch (error) {
    throw new Error(`${file} is not a PNG picture that can be read (${(error as Error).message}).`);
  }
}
