import { readFileSync } from 'node:fs';
import type { Box } from '../../src/image/layout';
import type { Picture } from '../../src/image/picture';

/** Small pictures as read and resized by Pillow: see test/fixtures/pictures.py. */
export const PICTURES = 'test/fixtures/pictures';

interface Described {
  readonly height: number;
  readonly width: number;
  readonly rgb: string;
}

interface Expected {
  readonly files: Readonly<Record<string, Described>>;
  readonly resized: readonly (Described & { readonly box: [number, number, number, number] })[];
}

const { files, resized } = JSON.parse(readFileSync(`${PICTURES}/expected.json`, 'utf8')) as Expected;

export const expectedFiles: ReadonlyMap<string, Picture> = new Map(
  Object.entries(files).map(([name, described]) => [name, pictureOf(described)]),
);

export const expectedResizes: readonly { box: Box; picture: Picture }[] = resized.map(
  ({ box: [x, y, width, height], ...described }) => ({ box: { x, y, width, height }, picture: pictureOf(described) }),
);

function pictureOf({ height, width, rgb }: Described): Picture {
  const bytes = Buffer.from(rgb, 'hex');
  const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) =>
    i % 4 === 3 ? 255 : bytes[Math.floor(i / 4) * 3 + (i % 4)]!,
  );
  return { width, height, data };
}

/** The largest difference of two pictures of one size, of 255. */
export function largestDifference(a: Picture, b: Picture): number {
  expect([a.width, a.height]).toEqual([b.width, b.height]);
  return a.data.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b.data[i]!)), 0);
}
