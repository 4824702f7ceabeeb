import type * as tf from '@tensorflow/tfjs';
import type { Grid } from '../attention/controller';
import type { VAE } from '../model/roles';
import { randomLatents, TorchGenerator } from '../sampler/noise';
import type { SessionOptions } from './options';

/**
 * What a run starts from: the noise that was given, or the seed's.
 *
 * @param size of the picture where none is given, in pixels
 * @returns [1, height, width, channels]; the caller's to dispose
 * @throws RangeError if the noise is of another shape, or the size is no multiple of a latent's
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

/** Where fresh noise comes from: it goes on where the starting noise ended, as one PyTorch generator for both would. */
export function freshNoise(seed: number | bigint, [, height, width, channels]: readonly number[]): TorchGenerator {
  const generator = new TorchGenerator(seed);
  generator.randn([1, channels, height, width]);
  return generator;
}
