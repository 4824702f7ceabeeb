import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { fileBytes, folderTree } from '../../src/node/fileSource';
import { readPng, savePngs } from '../../src/node/png';
import { readPicture } from '../../src/node/readPicture';
import { saveSafetensors } from '../../src/node/saveSafetensors';
import { useBackend } from '../backend';

useBackend();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'p2p-'));
  await mkdir(join(folder, 'inner'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each<[string, (path: string) => Promise<unknown>]>([
  ['fileBytes', fileBytes],
  ['readPng', readPng],
  ['readPicture', readPicture],
])('%s says in one line why there is nothing to read', (_, read) => {
  test('no file', async () => {
    const path = join(folder, 'none');
    await expect(read(path)).rejects.toThrow(`There is no file ${path}. Check its name and its folder.`);
  });
  test('a folder', async () => {
    await expect(read(folder)).rejects.toThrow(`${folder} is a folder, not a file.`);
  });
});

describe.each<[string, (path: string) => Promise<unknown>]>([
  ['saveSafetensors', (path) => saveSafetensors(path, [])],
  ['savePngs', (path) => savePngs(tf.zeros([1, 1, 1, 3]), [path])],
])('%s says why it cannot write', (_, write) => {
  test('no folder', async () => {
    const path = join(folder, 'none', 'file');
    await expect(write(path)).rejects.toThrow(`${path} cannot be written: there is no folder ${join(folder, 'none')}.`);
  });
  test('a folder in its place', async () => {
    await expect(write(join(folder, 'inner'))).rejects.toThrow(`${join(folder, 'inner')} is a folder: name a file.`);
    expect(await readdir(folder)).toEqual(['inner']);
  });
});

test('a tree of a folder has nothing where there is nothing', async () => {
  const tree = folderTree(folder);
  expect([await tree.list('none'), await tree.open('none'), await tree.open('none/file')]).toEqual([
    [],
    undefined,
    undefined,
  ]);
});
