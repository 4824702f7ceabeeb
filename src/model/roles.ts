import type * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import type { Context } from '../attention/context';
import type { AttentionSite, FeatureSite } from '../attention/controller';
import type { CLIPTextConfig, UNetConfig, VAEConfig } from './config';
import type { Network } from './network';

/**
 * The interfaces that a pipeline needs from its networks, whatever their classes: the config values that other code
 * reads, under their names in diffusers and transformers, and what they compute.
 */

/** A checkpoint's networks. */
export interface Networks {
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  readonly vae: VAE;
}

/** A text encoder, which turns tokens into what the UNet reads. */
export interface PromptEncoder extends Network {
  readonly config: Pick<CLIPTextConfig, 'vocab_size' | 'hidden_size' | 'max_position_embeddings'>;
  /** Every attention layer, in the order in which an evaluation comes by. */
  readonly sites: readonly AttentionSite[];
  /** @param ids [rows][tokens] @returns [rows, tokens, hidden_size] */
  forward(ids: readonly (readonly number[])[], control?: AttentionControl): tf.Tensor3D;
}

/**
 * The network that predicts the noise (or the velocity) in latents, given the timestep and the encoded prompt. The size
 * of a module's features is inferred from its path, as in diffusers: each of `down_blocks` but the last halves their
 * height and width, and each of `up_blocks` but the last doubles them.
 */
export interface UNet extends Network {
  readonly config: Pick<
    UNetConfig,
    'sample_size' | 'in_channels' | 'out_channels' | 'cross_attention_dim' | 'block_out_channels' | 'layers_per_block'
  >;
  /** Every attention layer, in the order in which an evaluation comes by. */
  readonly sites: readonly AttentionSite[];
  /** Every place where features outside attention can be read and replaced, in order of evaluation. */
  readonly featureSites: readonly FeatureSite[];
  /** @param latents [rows, height, width, in_channels] @returns [rows, height, width, out_channels] */
  forward(latents: tf.Tensor4D, timestep: number, context: Context, control?: AttentionControl): tf.Tensor4D;
}

/**
 * The normal distribution of latents that the encoder predicts for a picture. Both tensors are [rows, height, width,
 * latent_channels].
 */
export interface LatentDistribution {
  readonly mean: tf.Tensor4D;
  /** The standard deviation; 0 if the network encodes a picture to just one value. */
  readonly std: tf.Tensor4D;
}

/** Encodes pictures to latents and decodes them. Latents here are the network's own, neither shifted nor scaled. */
export interface VAE extends Network {
  readonly config: Pick<VAEConfig, 'latent_channels' | 'scaling_factor' | 'shift_factor' | 'block_out_channels'>;
  /** The width and height of a latent in pixels: 8 in Stable Diffusion. */
  readonly pixelsPerLatent: number;
  /** Every attention layer, first the encoder's, then the decoder's. */
  readonly sites: readonly AttentionSite[];
  /** @param images [rows, height, width, 3], -1 to 1 */
  encode(images: tf.Tensor4D, control?: AttentionControl): LatentDistribution;
  /** @param latents [rows, height, width, latent_channels] @returns pictures, about -1 to 1, not clipped */
  decode(latents: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D;
}
