import * as tf from '@tensorflow/tfjs';
import { allFinite, NotFiniteError } from '../finite';
import type { VAE } from '../model/roles';

/** Pictures to latents as the UNet knows them, and back: a VAE, with its scale and shift. */
export class PictureSide {
  constructor(private readonly vae: VAE) {}

  /**
   * The mean of what the encoder sees in each picture.
   *
   * @param images [rows, height, width, 3], -1 to 1; sides that are multiples of {@link VAE.pixelsPerLatent}
   * @returns [rows, height, width, channels] of the latents; the caller's to dispose
   */
  toLatents(images: tf.Tensor4D): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    return tf.tidy(() => tf.mul(tf.sub(this.vae.encode(images).mean, shift ?? 0), scale));
  }

  /** @param latents [rows, height, width, channels] @returns [rows, height, width, 3], -1 to 1; the caller's to dispose */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => tf.clipByValue(this.unclipped(latents), -1, 1));
  }

  /** As `decode`. @throws NotFiniteError if clipping would hide that there is no picture */
  async decodeFinite(latents: tf.Tensor4D): Promise<tf.Tensor4D> {
    const pictures = this.unclipped(latents);
    try {
      if (!allFinite(await pictures.data()))
        throw new NotFiniteError(
          "The VAE made pictures of numbers that are not finite, from latents that are: one of its decoder's weights may not be finite, or too large.",
        );
      return tf.clipByValue(pictures, -1, 1);
    } finally {
      pictures.dispose();
    }
  }

  private unclipped(latents: tf.Tensor4D): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    return tf.tidy(() => this.vae.decode(tf.add(tf.div(latents, scale), shift ?? 0)));
  }
}
