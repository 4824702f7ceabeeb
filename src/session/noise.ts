import type * as tf from '@tensorflow/tfjs';
import type { Grid } from '../attention/controller';
import type { VAE } from '../model/roles';
import { randomLatents, TorchGenerator } from '../sampler/noise';
import type { SessionOptions } from './options';

/**
 * The noise a run starts from: the given noise, or the seed's.
 *
 * @param size of the picture if the options give none, in pixels
 * @returns [1, height, width, channels]. The caller disposes of it.
 * @throws RangeError if the noise has the wrong shape, or the size is not a multiple of `pixelsPerLatent`
 */
export function startingNoise(
  {
    seed,
    noise,
    height,
    width,
  }: Pick<SessionOptions, 'noise' | 'height' | 'width'> & { readonly seed: number | bigint },
  size: Grid,
  { config: { latent_channels: channels }, pixelsPerLatent }: Pick<VAE, 'config' | 'pixelsPerLatent'>,
): tf.Tensor4D {
  if (noise) {
    if (noise.shape[0] !== 1 || noise.shape[3] !== channels)
      throw new RangeError(`The noise is [${noise.shape}]: it must be [1, height, width, ${channels}].`);
    return noise.clone();
  }
  const inLatents = (name: 'height' | 'width', pixels = size[name]): number => {
    if (!(Number.isInteger(pixels) && pixels > 0 && pixels % pixelsPerLatent === 0))
      throw new RangeError(`The ${name} is ${pixels}: it must be a multiple of ${pixelsPerLatent} pixels.`);
    return pixels / pixelsPerLatent;
  };
  const grid = { height: inLatents('height', height), width: inLatents('width', width) };
  return randomLatents(new TorchGenerator(seed), { ...grid, channels });
}

/**
 * The generator of fresh noise. It continues where the starting noise ended, like a single PyTorch generator for both.
 */
export function freshNoise(seed: number | bigint, [, height, width, channels]: readonly number[]): TorchGenerator {
  const generator = new TorchGenerator(seed);
  generator.randn([1, channels, height, width]);
  return generator;
}
