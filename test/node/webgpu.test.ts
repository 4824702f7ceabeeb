import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chooseBackend } from '../../src/node/backend';
import { installedPackage } from '../../src/node/installedPackage';
import { onlyWhere } from '../onlyWhere';

/** Both packages are the user's to install; without them the first test alone has something to say. */
const there = Boolean(installedPackage('webgpu') && installedPackage('@tensorflow/tfjs-backend-webgpu'));
const root = join(__dirname, '../..');

onlyWhere(!there, 'its packages are here')('without its packages the backend says how to get them', async () => {
  await expect(chooseBackend('webgpu')).rejects.toThrow(/npm install webgpu @tensorflow\/tfjs-backend-webgpu@4\.22\.0/);
});

onlyWhere(there, 'the packages webgpu and @tensorflow/tfjs-backend-webgpu are not here')(
  'a group norm, a convolution and attention are those of the pure-JS backend',
  async () => {
    const source = `
    import * as tf from '@tensorflow/tfjs';
    import { scaledDotProduct } from './src/attention/scaledDotProduct';
    import { GroupNorm } from './src/nn/groupNorm';
    import { Scope } from './src/nn/scope';
    import { chooseBackend } from './src/node/backend';
    async function compute(backend: string): Promise<Float32Array> {
      await chooseBackend(backend);
      const numbers = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * seed));
      const scope = new Scope();
      const norm = new GroupNorm(scope, 2, 8, 1e-5);
      for (const parameter of scope.parameters.values()) parameter.assign(numbers(8, 2));
      const x = norm.forward(tf.tensor4d(numbers(2 * 36 * 8, 1), [2, 6, 6, 8]));
      const y = tf.conv2d(x, tf.tensor4d(numbers(9 * 64, 3), [3, 3, 8, 8]), 1, 'same');
      const heads = tf.reshape(y, [2, 2, 36, 4]) as tf.Tensor4D;
      return await scaledDotProduct({ q: heads, k: heads, v: heads }).data() as Float32Array;
    }
    void (async () => {
      const [gpu, cpu] = [await compute('webgpu'), await compute('cpu')];
      console.log(gpu.length, Math.max(...gpu.map((value, i) => Math.abs(value - cpu[i]))) < 1e-4);
      process.exit();
    })();
  `;
    const bundled = execFileSync(
      'node_modules/.bin/esbuild',
      ['--bundle', '--platform=node', '--packages=external', '--loader=ts'],
      { cwd: root, input: source },
    );
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', bundled.toString()], {
      cwd: root,
      timeout: 50_000,
    });
    expect(stdout).toBe('576 true\n');
  },
);
