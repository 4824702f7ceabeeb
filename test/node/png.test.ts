import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { encodePng, readPng } from '../../src/node/png';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'p2p-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a picture that is written is read as it was', async () => {
  const pictures = fc
    .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }), seed: fc.nat() })
    .map(({ width, height, seed }) => ({
      width,
      height,
      data: new Uint8ClampedArray(width * height * 4).map((_, i) => (i % 4 === 3 ? 255 : (seed + i * 97) % 256)),
    }));
  const file = join(folder, 'picture.png');
  await fc.assert(
    fc.asyncProperty(pictures, async (picture) => {
      await writeFile(file, encodePng(picture));
      expect(await readPng(file)).toEqual(picture);
    }),
    { numRuns: 30 },
  );
});

test('a file that is no picture is refused by name', async () => {
  const file = join(folder, 'words.png');
  await writeFile(file, 'a cat riding a bicycle');
  await expect(readPng(file)).rejects.toThrow(file);
  await expect(readPng(join(folder, 'absent.png'))).rejects.toThrow('absent.png');
});
