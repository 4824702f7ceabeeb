import * as tf from '@tensorflow/tfjs';
import { Scope } from '../nn/scope';
import { Network } from './network';
import type { LatentDistribution, VAE } from './roles';

/**
 * Stands in for a missing VAE: latents are the pictures themselves. It refuses latents that are not pictures, such as
 * those of a checkpoint that came without its VAE.
 */
export class PixelSpace extends Network implements VAE {
  readonly config: VAE['config'];
  readonly pixelsPerLatent = 1;
  readonly sites = [];

  /** @param channels the latents' channels */
  constructor(channels = 3) {
    super(new Scope());
    this.config = { latent_channels: channels, scaling_factor: 1, shift_factor: null, block_out_channels: [0] };
  }

  /** @throws Error unless the latents have three channels, as pictures do */
  checkPictures(): void {
    const { latent_channels: channels } = this.config;
    if (channels !== 3)
      throw new Error(
        `There is no VAE, which latents of ${channels} channels need to become pictures: use a checkpoint that has one, or the latents (pipe.run).`,
      );
  }

  encode(images: tf.Tensor4D): LatentDistribution {
    this.checkPictures();
    return { mean: tf.clone(images), std: tf.zerosLike(images) };
  }

  decode(latents: tf.Tensor4D): tf.Tensor4D {
    this.checkPictures();
    return tf.clone(latents);
  }
}
