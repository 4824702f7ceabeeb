import * as tf from '@tensorflow/tfjs';
import { type AttentionControl, outsideOfSteps } from '../attention/attend';
import type { AttentionController } from '../attention/controller';
import { promptRows } from '../attention/rows';
import { allFinite, NotFiniteError } from '../finite';
import type { VAE } from '../model/roles';

/** Converts pictures to latents as the UNet uses them, and back: a VAE with its scale and shift. */
export class PictureSide {
  constructor(private readonly vae: VAE) {}

  /**
   * Encodes each picture as the mean of the encoder's distribution.
   *
   * @param images [rows, height, width, 3], -1 to 1; sides that are multiples of {@link VAE.pixelsPerLatent}
   * @param controller is called at the encoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, channels] at the latents' size. The caller disposes of it.
   */
  toLatents(images: tf.Tensor4D, controller?: AttentionController): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    const control = this.control(images, this.vae.pixelsPerLatent, controller);
    return tf.tidy(() => tf.mul(tf.sub(this.vae.encode(images, control).mean, shift ?? 0), scale));
  }

  /**
   * @param latents [rows, height, width, channels]
   * @param controller is called at the decoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, 3], -1 to 1. The caller disposes of it.
   */
  decode(latents: tf.Tensor4D, controller?: AttentionController): tf.Tensor4D {
    return tf.tidy(() => tf.clipByValue(this.unclipped(latents, controller), -1, 1));
  }

  /** Like `decode`. @throws NotFiniteError if the picture is not finite, which clipping would hide */
  async decodeFinite(latents: tf.Tensor4D, controller?: AttentionController): Promise<tf.Tensor4D> {
    const pictures = this.unclipped(latents, controller);
    try {
      if (!allFinite(await pictures.data()))
        throw new NotFiniteError(
          'The VAE decoded finite latents to numbers that are not finite: a weight of its decoder may be too large or not finite.',
        );
      return tf.clipByValue(pictures, -1, 1);
    } finally {
      pictures.dispose();
    }
  }

  private unclipped(latents: tf.Tensor4D, controller?: AttentionController): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    const control = this.control(latents, 1, controller);
    return tf.tidy(() => this.vae.decode(tf.add(tf.div(latents, scale), shift ?? 0), control));
  }

  /** @param scale cells of `x` per latent in each direction */
  private control(
    { shape: [rows, height, width] }: tf.Tensor4D,
    scale: number,
    controller?: AttentionController,
  ): AttentionControl | undefined {
    return outsideOfSteps(controller, promptRows(rows), { height: height / scale, width: width / scale });
  }
}
