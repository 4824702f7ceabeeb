import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '../../../src/node/cli/errors';
import { Outputs } from '../../../src/node/cli/outputs';

let folder: string;
const home = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2p-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const produce = async (
  options: Parameters<typeof Outputs.open>[1],
  files: Record<string, string> = { 'a.png': 'new' },
) => {
  const outputs = await Outputs.open('edit', options);
  for (const [name, text] of Object.entries(files)) await outputs.write(name, text);
  for (const option of ['tensors', 'record'] as const) {
    const path = outputs.pathOf(option);
    if (path) writeFileSync(path, Uint8Array.of(1));
  }
  return outputs.publish();
};
const read = (...path: string[]): string => readFileSync(join(folder, ...path), 'utf8');

test('without a folder, each run has a fresh numbered one', async () => {
  mkdirSync('out/edit-2', { recursive: true });
  expect((await produce({})).files).toEqual([join(process.cwd(), 'out/edit-1/a.png')]);
  expect((await produce({})).folder).toBe(join(process.cwd(), 'out/edit-3'));
  expect(readdirSync('out').sort()).toEqual(['edit-1', 'edit-2', 'edit-3']);
});

test('runs that end at once take different folders', async () => {
  const folders = await Promise.all(Array.from({ length: 6 }, () => produce({}))).then((all) =>
    all.map((one) => one.folder),
  );
  expect(new Set(folders).size).toBe(6);
  expect(readdirSync('out')).toHaveLength(6);
});

test('a folder that is absent or empty is filled, and others may read it', async () => {
  mkdirSync('empty');
  await produce({ out: 'deep/er' });
  await produce({ out: 'empty' });
  expect([read('deep/er/a.png'), read('empty/a.png')]).toEqual(['new', 'new']);
  expect(statSync('deep/er').mode & 0o777).toBe(0o777 & ~process.umask());
});

test('tensors may go into the folder that is being made, and a folder may be a link', async () => {
  await produce({ out: 'both', tensors: 'both/x.safetensors' });
  expect(readdirSync('both').sort()).toEqual(['a.png', 'x.safetensors']);
  mkdirSync('real');
  symlinkSync('real', 'link');
  await produce({ out: 'link' });
  expect(readdirSync('real')).toEqual(['a.png']);
});

test('a folder that another program fills in the meantime keeps what it has', async () => {
  mkdirSync('here');
  const outputs = await Outputs.open('edit', { out: 'here' });
  await outputs.write('a.png', 'new');
  writeFileSync('here/a.png', 'theirs');
  await expect(outputs.publish()).rejects.toThrow(/--out here .*in the meantime/);
  outputs.discard();
  expect([readdirSync('here'), read('here/a.png')]).toEqual([['a.png'], 'theirs']);
});

test('what is there is not replaced', async () => {
  mkdirSync('full');
  writeFileSync('full/a.png', 'old');
  writeFileSync('x.safetensors', 'old');
  await expect(produce({ out: 'full' })).rejects.toThrow(UsageError);
  await expect(produce({ out: 'full' })).rejects.toThrow(/--out full .*--force/);
  await expect(produce({ tensors: 'x.safetensors' })).rejects.toThrow(/--tensors x.safetensors .*--force/);
  await expect(produce({ tensors: 'x.safetensors/y.safetensors' })).rejects.toThrow(/Nothing can be written to/);
  await expect(produce({ tensors: 'full', force: true })).rejects.toThrow(/--tensors full is a folder/);
  await expect(produce({ out: 'x.safetensors' })).rejects.toThrow(/--out x.safetensors is a file/);
  expect(readdirSync('.').sort()).toEqual(['full', 'x.safetensors']);
  expect([read('full/a.png'), read('x.safetensors')]).toEqual(['old', 'old']);
});

test("with force, a run's own files are replaced and all others are kept", async () => {
  await produce({ out: 'full' }, { 'edit-1.png': 'old', 'edit-2.png': 'old', 'figure.png': 'old' });
  writeFileSync('full/notes.txt', 'mine');
  writeFileSync('x.safetensors', 'old');
  const { files } = await produce(
    { out: 'full', tensors: 'x.safetensors', force: true },
    { 'edit-1.png': 'new', 'figure.png': 'new' },
  );
  expect(readdirSync('full').sort()).toEqual(['edit-1.png', 'figure.png', 'notes.txt']);
  expect([read('full/edit-1.png'), read('full/notes.txt'), read('x.safetensors')]).toEqual(['new', 'mine', '\u0001']);
  expect(files).toHaveLength(3);
});

test('a run that is given up leaves nothing, not even the folders made for it', async () => {
  for (const tensors of ['elsewhere/x.safetensors', 'deep/er/x.safetensors', 'deep/x.safetensors']) {
    const outputs = await Outputs.open('edit', { out: 'deep/er/still', tensors });
    await outputs.write('a.png', 'half');
    outputs.discard();
    expect(readdirSync('.')).toEqual([]);
  }
});

test('until the end, nothing is at its place', async () => {
  const outputs = await Outputs.open('edit', { out: 'here' });
  await outputs.write('a.png', 'half');
  expect(existsSync('here')).toBe(false);
  await outputs.publish();
  expect(read('here/a.png')).toBe('half');
});

test('where a disk is full, the places are named, which the system does not do; any other error is as it was', async () => {
  const outputs = await Outputs.open('edit', { record: 'cat.recording' });
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  expect(outputs.explain(full)).toEqual(
    new Error('A disk is full, so nothing was written to out, cat.recording. Free some space, or name another place.'),
  );
  const other = new Error('other');
  expect(outputs.explain(other)).toBe(other);
  outputs.discard();
});

test.each<[Parameters<typeof Outputs.open>[1], string]>([
  [{ out: ' ' }, '--out: Expected some text'],
  [{ record: '' }, '--record: Expected some text'],
  [{ record: 'a', tensors: './a' }, '--record and --tensors are both ./a: give each a place of its own'],
  [{ out: 'a', to: 'a' }, '--out and --to are both a'],
  [{ out: 'a/b', record: 'a' }, '--out a/b is inside --record a, which is to be a file'],
  [{ tensors: 'a', record: 'a/b' }, '--record a/b is inside --tensors a'],
  [{ out: 'a', record: 'a/picture.png' }, '--record a/picture.png is among the pictures and settings of --out a'],
])('outputs in the place of one another are refused: %j', async (options, message) => {
  await expect(Outputs.open('edit', { ...options, force: true })).rejects.toThrow(UsageError);
  await expect(Outputs.open('edit', { ...options, force: true })).rejects.toThrow(message);
  expect(readdirSync('.')).toEqual([]);
});

test('a file may be in the folder of the run, under a name of its own', async () => {
  await produce({ out: 'a', record: 'a/cat.recording' });
  expect(readdirSync('a').sort()).toEqual(['a.png', 'cat.recording']);
});

test.each([true, false])(
  'a file in the place of the folder is refused before the run, forced or not: %s',
  async (force) => {
    writeFileSync('file', '');
    await expect(Outputs.open('edit', { out: 'file', force })).rejects.toThrow(
      '--out file is a file: choose a folder.',
    );
    await expect(Outputs.open('edit', { out: 'file/in', force })).rejects.toThrow('--out file/in is a file');
    writeFileSync('out', '');
    await expect(Outputs.open('edit', { force })).rejects.toThrow(
      `Nothing can be written to ${resolve('out')}: it is a file`,
    );
  },
);
