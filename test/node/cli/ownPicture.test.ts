import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import type { Size } from '../../../src/image/resample';
import { fileBytes } from '../../../src/node/fileSource';
import { encodePng, readPng } from '../../../src/node/png';
import { SafetensorsFile } from '../../../src/weights/safetensors';
import { MODEL, useCommand, without } from './command';

jest.setTimeout(300_000);
const { p2p, work, start } = useCommand();

const HOW = ['--backend', 'wasm', '--threads', '1', '--quiet'];
const SETTINGS = ['--model', MODEL, '--steps', '3', ...HOW];
const SOURCE = 'a cat riding a bicycle';
const TARGET = ['--target', 'a cat riding a car', '--no-compare'];
const IMAGE = ['--image', 'photo.png', '--source', SOURCE];

/** A picture of two colours, wider than high. */
beforeAll(() => {
  const [width, height] = [150, 100];
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) data.set(i % width < 70 ? [200, 30, 60] : [20, 90, 220], 4 * i);
  writeFileSync(work('photo.png'), encodePng({ width, height, data }));
  for (let i = 0; i < width * height; i++) data.fill(i % width < 75 ? 255 : 0, 4 * i, 4 * i + 3);
  writeFileSync(work('mask.png'), encodePng({ width, height, data }));
  writeFileSync(work('black.png'), encodePng({ width, height, data: data.map((_, i) => (i % 4 === 3 ? 255 : 0)) }));
  writeFileSync(work('line.png'), encodePng({ width: 2000, height: 1, data: new Uint8ClampedArray(8000).fill(255) }));
});

test('an edit of a picture, and the same from its recording', async () => {
  const edited = await p2p('edit', ...IMAGE, ...TARGET, ...SETTINGS, '--out', 'edited', '--tensors', 'edited.st');
  expect([edited.code, edited.stderr]).toEqual([0, '']);
  expect(readdirSync(work('edited')).sort()).toEqual([
    'edit-1-full.png',
    'edit-1.png',
    'edit.json',
    'figure.png',
    'original.png',
    'source.png',
  ]);
  const full = await readPng(work('edited', 'edit-1-full.png'));
  expect([full.width, full.height]).toEqual([150, 100]);
  const { tensors } = await SafetensorsFile.open(await fileBytes(work('edited.st')));
  expect(tensors.get('trajectory')!.shape).toEqual([4, 4, 16, 16]);

  const inverted = await p2p('invert', 'photo.png', '--prompt', SOURCE, ...SETTINGS, '--to', 'photo.recording');
  expect([inverted.code, inverted.stderr]).toEqual([0, '']);
  const again = await p2p('edit', '--recording', 'photo.recording', ...TARGET, ...HOW, '--out', 'again');
  expect([again.code, again.stderr]).toEqual([0, '']);
  for (const name of ['source.png', 'edit-1.png'])
    expect(await apart(work('edited', name), work('again', name))).toBeLessThanOrEqual(2);
  const wrong = await p2p('edit', '--recording', 'photo.recording', '--source', 'a dog', ...TARGET, ...HOW);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('recorded with prompt')]);
});

test.each(['proximal', 'edit-friendly'])('%s: an edit, and the same from its recording', async (method) => {
  const [by, targets] = [['--inversion', method], TARGET.slice(0, 2)];
  const edited = await p2p('edit', ...IMAGE, ...targets, ...by, ...SETTINGS, '--out', `${method}-edited`);
  expect([edited.code, edited.stderr]).toEqual([0, '']);
  const inverted = await p2p(
    'invert',
    'photo.png',
    '--prompt',
    SOURCE,
    ...by,
    ...SETTINGS,
    '--to',
    `${method}.st`,
    '--out',
    `${method}-inverted`,
  );
  expect([inverted.code, inverted.stderr]).toEqual([0, '']);
  const again = await p2p('edit', '--recording', `${method}.st`, ...targets, ...HOW, '--out', `${method}-again`);
  expect([again.code, again.stderr]).toEqual([0, '']);
  for (const name of ['source.png', 'edit-1.png', 'no-injection-1.png'])
    expect(await apart(work(`${method}-edited`, name), work(`${method}-again`, name))).toBeLessThanOrEqual(2);
});

/** The largest difference of two pictures. */
async function apart(one: string, other: string): Promise<number> {
  const [a, b] = [await readPng(one), await readPng(other)];
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0);
}

test('outside its mask an edit is the reconstruction', async () => {
  const { code, stderr } = await p2p('edit', ...IMAGE, ...TARGET, ...SETTINGS, '--mask', 'mask.png', '--out', 'masked');
  expect([code, stderr]).toEqual([0, '']);
  const [full, photo] = [await readPng(work('masked', 'edit-1-full.png')), await readPng(work('photo.png'))];
  const at = (x: number) => (50 * 150 + x) * 4;
  expect([...full.data.slice(at(140), at(150))]).toEqual([...photo.data.slice(at(140), at(150))]);
});

test.each<[string, Size, string[], string]>([
  ['white', { width: 150, height: 100 }, ['--image', 'photo.png'], 'white everywhere: it keeps nothing'],
  [
    'square',
    { width: 64, height: 64 },
    ['--image', 'photo.png'],
    '64x64, and the picture 150x100: the mask is stretch',
  ],
  ['wide', { width: 150, height: 100 }, [], '150x100, and the picture 64x64'],
  ['red', { width: 150, height: 100 }, ['--image', 'photo.png'], 'coloured: the edit may change a place as far as'],
  ['clear', { width: 150, height: 100 }, ['--image', 'photo.png'], 'transparent: composited over white'],
])('a mask that is hardly meant gives a warning: %s', async (name, { width, height }, image, warning) => {
  const png = new PNG({ width, height });
  png.data.fill(255);
  if (name !== 'white') for (let x = 0; x < width; x++) png.data.fill(0, 4 * x, 4 * x + 3); // a black row
  if (name === 'clear') png.data[3] = 0;
  if (name === 'red') png.data.fill(0, 4 * width + 1, 4 * width + 3);
  writeFileSync(work(`${name}.png`), PNG.sync.write(png));
  const settings = without(SETTINGS, '--steps').filter((option) => option !== '--quiet');
  const args = [...image, '--source', SOURCE, ...TARGET, '--mask', `${name}.png`, '--out', `masked-${name}`];
  const { code, stderr } = await p2p('edit', ...args, ...settings, '--steps', '1');
  expect([code, stderr]).toEqual([0, expect.stringContaining(`warning: ${work(name)}.png is ${warning}`)]);
});

test.each<[string, Size, string[], string]>([
  ['dot', { width: 1, height: 1 }, [], 'is enlarged from 1x1 to 64x64 pixels, and blurred'],
  [
    'line',
    { width: 200, height: 60 },
    [],
    "is 200x60, and the model's picture 64x64: only its middle, 60x60, is used.",
  ],
  ['contained', { width: 200, height: 60 }, ['--fit', 'contain'], 'it fills only 64x19 of that.'],
  ['stretched', { width: 60, height: 200 }, ['--fit', 'stretch'], 'it is distorted.'],
  ['photo', { width: 16, height: 32 }, [], ''],
])('a picture that is hardly meant gives a warning: %s', async (name, { width, height }, fit, warning) => {
  writeFileSync(work(`odd-${name}.png`), PNG.sync.write(new PNG({ width, height, colorType: 2 }), { colorType: 2 }));
  const settings = without(SETTINGS, '--steps').filter((option) => option !== '--quiet');
  const image = ['--image', `odd-${name}.png`, '--prompt', 'a cat', '--out', `odd-${name}`];
  const { code, stderr } = await p2p('attend', ...image, ...fit, ...settings, '--steps', '1');
  expect(code).toBe(0);
  if (warning === '') expect(stderr).toBe('');
  else expect(stderr).toContain(warning);
});

test('attend shows where words look in the picture that is given', async () => {
  const { code, stderr } = await p2p(
    'attend',
    '--image',
    'photo.png',
    '--prompt',
    SOURCE,
    ...SETTINGS,
    '--out',
    'attended',
  );
  expect([code, stderr]).toEqual([0, '']);
  expect(readdirSync(work('attended'))).toContain('word-02-cat.png');
});

test('null-text inversion that is stopped is gone on with', async () => {
  const args = ['invert', 'photo.png', '--prompt', SOURCE, '--inversion', 'null-text', '--inversion-iterations', '2'];
  const rest = ['--model', MODEL, '--steps', '30', ...HOW, '--to', 'null.recording', '--out', 'null'];
  const child = start(...args, ...rest);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  while (!existsSync(work('null.recording.part'))) await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill('SIGINT');
  await ended;
  expect([existsSync(work('null.recording.part')), existsSync(work('null.recording'))]).toEqual([true, false]);
  copyFileSync(work('null.recording.part'), work('other.recording.part'));
  const { code, stderr } = await p2p(...args, ...rest);
  expect([code, stderr]).toEqual([0, '']);
  expect([existsSync(work('null.recording.part')), existsSync(work('null.recording'))]).toEqual([false, true]);
});

test('what is found for one picture is not used for another in the same file', async () => {
  const args = ['--inversion', 'null-text', '--inversion-iterations', '2', '--model', MODEL, '--steps', '30', ...HOW];
  const make = async (file: string, to: string, out: string) => {
    copyFileSync(work(file), work('changing.png'));
    return p2p('invert', 'changing.png', '--prompt', SOURCE, ...args, '--to', to, '--out', out);
  };
  expect(await make('mask.png', 'fresh.recording', 'fresh')).toMatchObject({ code: 0 });
  // With the embeddings of photo.png beside it.
  expect(await make('mask.png', 'other.recording', 'other')).toMatchObject({ code: 0 });
  expect(readFileSync(work('other.recording'))).toEqual(readFileSync(work('fresh.recording')));
});

test("a file of the user's own in place of the one to go on from is kept", async () => {
  writeFileSync(work('mine.recording.part'), 'mine');
  const args = ['invert', 'photo.png', '--prompt', SOURCE, ...SETTINGS, '--to', 'mine.recording', '--out', 'mine'];
  const refused = await p2p(...args, '--inversion', 'null-text');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('mine.recording.part is not what a null') });
  expect(await p2p(...args)).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(work('mine.recording.part'), 'utf8')).toBe('mine');
});

test.each([
  [['--inversion', 'ddim'], '--inversion is for a picture of your own'],
  [['--fit', 'contain'], '--fit is for a picture of your own'],
  [['--image', 'photo.png', '--seed', '3'], '--seed: direct inversion finds the noise'],
  [['--image', 'photo.png', '--eta', '1'], '--eta: steps that add fresh noise'],
  [['--image', 'photo.png', '--inversion-iterations', '3'], '--inversion-iterations are for null-text and fixed-point'],
  [['--image', 'photo.png', '--inversion', 'null-text', '--sampler', 'dpm++'], '--sampler dpm++: null-text'],
  [['--image', 'photo.png', '--inversion', 'h-edit', '--record', 'x'], '--record: Edits by h-edit inversion'],
  [
    ['--image', 'photo.png', '--inversion', 'null-text', '--guidance', '1'],
    '--inversion null-text: Null-text inversion needs a guidance over 1, not 1',
  ],
  [['--mask-feather', '3'], '--mask-feather needs a mask'],
  [['--mask', 'mask.png', '--mask-mode', 'union'], '--mask-mode combines a mask with the words of --blend'],
  [['--image', 'nowhere.png'], 'nowhere.png'],
  [['--image', 'photo.png', '--mask', 'black.png'], 'black.png is black: nothing may change'],
  [['--image', 'line.png', '--height', '32'], '--height 32: the width that follows for'],
  [['--blend-threshold', '0.2'], '--blend-threshold is for the words of --blend'],
  [['--target', ' '], '--target 2: Expected some text'],
])('%p is refused by name', async (args, message) => {
  const { code, stderr } = await p2p('edit', '--source', SOURCE, ...TARGET, ...SETTINGS, ...args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
