import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { chooseBackend } from '../../src/node/backend';

const listeners = (): number =>
  process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection');
const before = listeners();
const root = join(__dirname, '../..');
const hadWorker = 'Worker' in globalThis;

afterAll(() => {
  tf.removeBackend('wasm');
});

test('two threads compute what one does', async () => {
  const warnings: string[] = [];
  const info = await chooseBackend('wasm', { threads: 2, warn: (message) => warnings.push(message) });
  expect(warnings).toEqual([]);
  expect(info).toMatchObject({ name: 'wasm', threads: 2 });
  tf.tidy(() => {
    const x = tf.randomNormal([2, 33, 17, 8]) as tf.Tensor4D;
    const filter = tf.eye(8).reshape([1, 1, 8, 8]) as tf.Tensor4D;
    expect(Array.from(tf.conv2d(x, filter, 1, 'same').dataSync())).toEqual(Array.from(x.dataSync()));
  });
});

test('the process is left as it was', () => {
  expect(listeners()).toBe(before);
  expect('Worker' in globalThis).toBe(hadWorker);
});

test('a program that used threads ends by itself', async () => {
  const source = `
    import * as tf from '@tensorflow/tfjs';
    import { chooseBackend } from './src/node/backend';
    void chooseBackend('wasm', { threads: 2 }).then((info) => console.log(info.threads, tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()[0]));
  `;
  const bundled = execFileSync(
    'node_modules/.bin/esbuild',
    ['--bundle', '--platform=node', '--packages=external', '--loader=ts'],
    { cwd: root, input: source },
  );
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', bundled.toString()], {
    cwd: root,
    timeout: 30_000,
  });
  expect(stdout).toBe('2 64\n');
});
