import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseBackend } from '../../../src/node/backend';
import { installNative, nativeStatus, removeNative } from '../../../src/node/native/install';

let cache: string;
const before = { ...process.env };
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'p2p-'));
  process.env.XDG_CACHE_HOME = cache;
});
afterEach(() => {
  process.env = { ...before };
  rmSync(cache, { recursive: true });
});
const home = (): string => join(cache, 'prompt-to-prompt-tfjs');
const installed = (): void => {
  mkdirSync(join(home(), 'native'), { recursive: true });
  writeFileSync(
    join(home(), 'native', 'manifest.json'),
    JSON.stringify({ tensorflow: '2.21.0', tfjsNode: '4.22.0', kind: 'cpu' }),
  );
};

test('status and removal', async () => {
  expect(await nativeStatus()).toBeUndefined();
  expect(await removeNative()).toBe(false);
  installed();
  expect(await nativeStatus()).toEqual({
    folder: join(home(), 'native'),
    tensorflow: '2.21.0',
    tfjsNode: '4.22.0',
    kind: 'cpu',
  });
  expect(await removeNative()).toBe(true);
  expect(existsSync(join(home(), 'native'))).toBe(false);
});

test('all that is missing is named at once, and nothing is begun', async () => {
  process.env.PATH = '/nowhere';
  process.env.CXX = '';
  const error = await installNative().catch((e: Error) => e.message);
  expect(error).toMatch(/C\+\+ compiler/);
  expect(error).toMatch(/npm/);
  expect(error).toMatch(/pip.*--wheel/);
  expect(readdirSync(home())).toEqual([]);
});

test('a wheel that is none, or not there, is refused', async () => {
  await expect(installNative({ wheel: join(cache, 'nowhere.whl') })).rejects.toThrow(/There is no wheel/);
  const wheel = join(cache, 'numpy-2.0-cp311-cp311-manylinux_2_27_x86_64.whl');
  writeFileSync(wheel, '');
  await expect(installNative({ wheel })).rejects.toThrow(/not the name of a TensorFlow wheel/);
});

test('an installation that fails leaves the earlier one, and no half of a new one', async () => {
  installed();
  const wheel = join(cache, 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl');
  writeFileSync(wheel, 'not a zip file');
  await expect(installNative({ wheel })).rejects.toThrow();
  expect(readdirSync(home())).toEqual(['native']);
  expect(await nativeStatus()).toBeDefined();
});

test('a backend that is not there says how to get it', async () => {
  await expect(chooseBackend('node')).rejects.toThrow(/p2p native install$/);
  await expect(chooseBackend('node-gpu')).rejects.toThrow(/p2p native install --gpu$/);
  await expect(chooseBackend('gpu')).rejects.toThrow(
    /There is no backend gpu\. Choose from node-gpu, node, wasm, webgpu, cpu/,
  );
});
