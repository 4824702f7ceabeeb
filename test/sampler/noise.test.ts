import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { randomLatents, TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';

interface Generator {
  readonly seed: string;
  readonly draws: readonly { readonly size: number; readonly samples: readonly (readonly [number, number])[] }[];
}

const generators = JSON.parse(readFileSync(join(__dirname, '../fixtures/noise.json'), 'utf8')) as Generator[];

describe('TorchGenerator', () => {
  test.each(generators)('draws what PyTorch draws from seed $seed, call after call', ({ seed, draws }) => {
    const generator = new TorchGenerator(BigInt(seed));
    for (const { size, samples } of draws) {
      const numbers = generator.randn([size]);
      expect(numbers.length).toBe(size);
      const worst = Math.max(...samples.map(([index, number]) => Math.abs(numbers[index] - number)));
      expect(worst).toBeLessThan(1e-6);
    }
  });

  test('takes a seed as a number or as a bigint', () => {
    expect(new TorchGenerator(8888).randn([4, 3])).toEqual(new TorchGenerator(8888n).randn([12]));
    expect(new TorchGenerator(-1).randn([4])).toEqual(new TorchGenerator(2n ** 64n - 1n).randn([4]));
  });

  test.each([0.5, NaN, Infinity, 2 ** 53, -(2 ** 53), -(2n ** 63n) - 1n, 2n ** 64n])('refuses the seed %p', (seed) => {
    expect(() => new TorchGenerator(seed)).toThrow(RangeError);
  });
});

describe('randomLatents', () => {
  useBackend();

  test('are the numbers of torch.randn([1, channels, height, width]) with the channels last', () => {
    const tensors = tf.memory().numTensors;
    const latents = randomLatents(new TorchGenerator(1), { height: 2, width: 3, channels: 4 });
    const numbers = new TorchGenerator(1).randn([1, 4, 2, 3]);
    expect(latents.shape).toEqual([1, 2, 3, 4]);
    const [channel, y, x] = [2, 1, 0];
    expect(latents.arraySync()[0][y][x][channel]).toBe(numbers[(channel * 2 + y) * 3 + x]);
    latents.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });
});
