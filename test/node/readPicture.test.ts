import { readFileSync } from 'node:fs';
import { encodePng } from '../../src/node/png';
import { readPicture } from '../../src/node/readPicture';
import { expectedFiles, largestDifference, PICTURES } from '../image/expectedPictures';

/** How much decoders may differ: that of the same bytes in another library, or of other colour management. */
const MOST: Record<string, number> = {
  'transparent.png': 1,
  'transparent.webp': 1,
  'photo.jpg': 3,
  'turned.jpg': 3,
  'grey.jpg': 1,
  'photo.avif': 2,
};

test.each([...expectedFiles].filter(([name]) => name !== 'cmyk.jpg'))(
  '%s is read as Pillow reads it',
  async (name, picture) => {
    const read = await readPicture(`${PICTURES}/${name}`);
    expect(largestDifference(read.picture, picture)).toBeLessThanOrEqual(MOST[name] ?? 0);
  },
);

test('CMYK comes to sRGB by a profile: the same picture, in other shades', async () => {
  const { picture, notes } = await readPicture(`${PICTURES}/cmyk.jpg`);
  const expected = expectedFiles.get('cmyk.jpg')!;
  const mean = (data: Uint8ClampedArray): number => data.reduce((sum, value) => sum + value, 0) / data.length;
  expect([picture.width, picture.height]).toEqual([expected.width, expected.height]);
  expect(Math.abs(mean(picture.data) - mean(expected.data))).toBeLessThan(25);
  expect(notes).toEqual(['CMYK: its colours in sRGB']);
});

test.each([
  ['source.png', []],
  ['transparent.png', ['transparent: composited over white']],
  ['animated.png', ['animated: its first frame']],
  ['animated.webp', ['animated: its first frame']],
  ['animated.gif', ['animated: its first frame']],
])('%s: what was done to it is said', async (name, notes) => {
  expect((await readPicture(`${PICTURES}/${name}`)).notes).toEqual(notes);
});

test.each(['cut.jpg', 'cut.png'])('%s, which is broken, is refused by name', async (name) => {
  await expect(readPicture(`${PICTURES}/${name}`)).rejects.toThrow(`${name} is not a picture that can be read`);
});

test('what is no picture, or one of another kind, is refused by name', async () => {
  await expect(readPicture(`${PICTURES}/picture.tiff`)).rejects.toThrow(
    'picture.tiff is not a picture that can be read (it is TIFF)',
  );
  await expect(readPicture(`${PICTURES}/expected.json`)).rejects.toThrow('expected.json is not a picture');
  await expect(readPicture(`${PICTURES}/absent.png`)).rejects.toThrow(`There is no file ${PICTURES}/absent.png.`);
  await expect(readPicture(PICTURES)).rejects.toThrow(`${PICTURES} is a folder, not a file.`);
});

describe('what a decoder cannot read', () => {
  const avif = readFileSync(`${PICTURES}/photo.avif`);
  const url = (bytes: Buffer): string => `data:image/avif;base64,${bytes.toString('base64')}`;

  test('is explained in one line', async () => {
    const cut = readPicture(url(avif.subarray(0, avif.length / 2)));
    await expect(cut).rejects.toThrow(/^data:.* is not a picture that can be read \(.*[a-z].*\)\. PNG.*$/);
  });

  test('an animated AVIF is called so', async () => {
    const animated = Buffer.from(avif);
    animated.write('avis', 8);
    await expect(readPicture(url(animated))).rejects.toThrow('(it is an animated AVIF). PNG, JPEG, WebP, still AVIF');
  });

  test('a picture with too many pixels is not called broken', async () => {
    const jpeg = readFileSync(`${PICTURES}/photo.jpg`);
    const size = jpeg.indexOf(Buffer.of(0xff, 0xc0)) + 5;
    jpeg.writeUInt16BE(60_000, size);
    jpeg.writeUInt16BE(60_000, size + 2);
    await expect(readPicture(url(jpeg))).rejects.toThrow('has too many pixels (268,402,689 can be read).');
  });
});

test('a data URL is read as a file is, and a message shows its beginning only', async () => {
  const png = encodePng({ width: 2, height: 1, data: Uint8ClampedArray.of(255, 0, 0, 255, 0, 0, 255, 255) });
  const { picture } = await readPicture(`data:image/png;base64,${png.toString('base64')}`);
  expect(picture).toMatchObject({ width: 2, height: 1 });
  expect([...picture.data]).toEqual([255, 0, 0, 255, 0, 0, 255, 255]);
  const message = await readPicture(`data:image/png;base64,${'A'.repeat(1000)}`).catch((error: Error) => error.message);
  expect(message).toMatch(/^data:image\/png;base64,A{18}\.\.\. is not a picture/);
  await expect(readPicture('data:')).rejects.toThrow('data: is not a complete data URL');
});
