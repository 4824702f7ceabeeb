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
  await expect(readPicture(`${PICTURES}/absent.png`)).rejects.toThrow('absent.png');
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
