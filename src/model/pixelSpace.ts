import * as tf from '@tensorflow/tfjs';
import { Scope } from '../nn/scope';
import type { LatentDistribution } from './autoencoderKL';
import { Network } from './network';
import type { VAE } from './roles';

/** The VAE of a UNet that works on pixels: none. Latents are the pictures themselves. */
export class PixelSpace extends Network implements VAE {
  readonly config: VAE['config'];
  readonly pixelsPerLatent = 1;
  readonly sites = [];

  /** @param channels of the pictures */
  constructor(channels = 3) {
    super(new Scope());
    this.config = { latent_channels: channels, scaling_factor: 1, shift_factor: null, block_out_channels: [0] };
  }

  encode(images: tf.Tensor4D): LatentDistribution {
    return { mean: tf.clone(images), std: tf.zerosLike(images) };
  }

  decode(latents: tf.Tensor4D): tf.Tensor4D {
    return tf.clone(latents);
  }
}
