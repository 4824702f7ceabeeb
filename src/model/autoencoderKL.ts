import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import type { AttentionSite } from '../attention/controller';
import { Conv2d } from '../nn/conv2d';
import { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import type { VAEConfig } from './config';
import { Network } from './network';
import type { LatentDistribution, VAE } from './roles';
import { Decoder, Encoder } from './vaeBlocks';

/**
 * Encodes pictures to latents and decodes them (diffusers `AutoencoderKL`). Latents here are the network's own, neither
 * shifted nor scaled; the UNet's are (latents - `config.shift_factor`) x `config.scaling_factor`.
 */
export class AutoencoderKL extends Network implements VAE {
  private readonly encoder: Encoder;
  private readonly decoder: Decoder;
  private readonly quantConv?: Conv2d;
  private readonly postQuantConv?: Conv2d;

  constructor(
    readonly config: VAEConfig,
    scope = new Scope(),
  ) {
    super(scope);
    const { latent_channels: latentChannels, use_quant_conv, use_post_quant_conv } = config;
    this.encoder = new Encoder(scope.at('encoder'), config);
    this.decoder = new Decoder(scope.at('decoder'), config);
    if (use_quant_conv) this.quantConv = new Conv2d(scope.at('quant_conv'), 2 * latentChannels, 2 * latentChannels, 1);
    if (use_post_quant_conv)
      this.postQuantConv = new Conv2d(scope.at('post_quant_conv'), latentChannels, latentChannels, 1);
  }

  /** Every attention layer, first the encoder's, then the decoder's. */
  get sites(): readonly AttentionSite[] {
    return [...this.encoder.sites, ...this.decoder.sites];
  }

  /** The width and height of a latent in pixels: 8 in Stable Diffusion. */
  get pixelsPerLatent(): number {
    return 2 ** (this.config.block_out_channels.length - 1);
  }

  /**
   * @param images [rows, height, width, in_channels], -1 to 1
   * @returns the distribution of each latent, unscaled
   */
  encode(images: tf.Tensor4D, control?: AttentionControl): LatentDistribution {
    return tf.tidy(() => {
      const moments = rowByRow(images, control, (image, ofRow) => {
        const encoder = (x: tf.Tensor4D) => this.encoder.forward(x, ofRow);
        return sequence(image, encoder, ...present(this.quantConv));
      });
      const [mean, logVariance] = tf.split(moments, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
      return { mean, std: tf.exp(tf.mul(tf.clipByValue(logVariance, -30, 20), 0.5)) as tf.Tensor4D };
    });
  }

  /**
   * @param latents [rows, height, width, latent_channels], unscaled
   * @returns [rows, height x pixelsPerLatent, width x pixelsPerLatent, out_channels], about -1 to 1, not clipped
   */
  decode(latents: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D {
    return rowByRow(latents, control, (row, ofRow) => {
      const decoder = (x: tf.Tensor4D) => this.decoder.forward(x, ofRow);
      return sequence(row, ...present(this.postQuantConv), decoder);
    });
  }
}

function present<T>(layer: T | undefined): T[] {
  return layer ? [layer] : [];
}

/**
 * Processes the rows one at a time, so that memory does not grow with their number: at 512x512, one layer's features
 * for a single row take 256 MiB.
 *
 * @throws RangeError if there are none
 */
function rowByRow(
  x: tf.Tensor4D,
  control: AttentionControl | undefined,
  f: (row: tf.Tensor4D, control?: AttentionControl) => tf.Tensor4D,
): tf.Tensor4D {
  if (x.shape[0] === 0) throw new RangeError(`The VAE was given no rows: it needs at least one, not [${x.shape}].`);
  const row = (i: number) => tf.tidy(() => f(tf.slice(x, i, 1), control && ofRow(control, i)));
  return tf.tidy(() =>
    tf.concat(
      Array.from({ length: x.shape[0] }, (_, i) => row(i)),
      0,
    ),
  );
}

function ofRow({ controller, evaluation }: AttentionControl, i: number): AttentionControl {
  return { controller, evaluation: { ...evaluation, rows: evaluation.rows.slice(i, i + 1) } };
}
