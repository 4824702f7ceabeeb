import * as tf from '@tensorflow/tfjs';
import { type AttentionControl, attend } from '../attention/attend';
import type { AttentionSite, Place } from '../attention/controller';
import { mergeHeads, scaledDotProduct } from '../attention/scaledDotProduct';
import { Conv2d } from '../nn/conv2d';
import { GroupNorm } from '../nn/groupNorm';
import { Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { type Layer, sequence } from '../nn/sequence';
import type { VAEConfig } from './config';
import { Downsample2D, Upsample2D } from './resample';
import { ResnetBlock2D } from './resnet';

/** The epsilon of all norms in the VAE; no config states it. */
const EPS = 1e-6;

/** Encodes pictures to the moments of their latents (diffusers `Encoder`). */
export class Encoder {
  private readonly convIn: Conv2d;
  private readonly downBlocks: readonly ResnetStack[];
  private readonly midBlock: MidBlock;
  private readonly convNormOut: GroupNorm;
  private readonly convOut: Conv2d;

  constructor(scope: Scope, config: VAEConfig) {
    const { block_out_channels: channels, norm_num_groups: groups } = config;
    const last = channels.length - 1;
    this.convIn = new Conv2d(scope.at('conv_in'), config.in_channels, channels[0], 3, { padding: 1 });
    this.downBlocks = channels.map(
      (outChannels, level) =>
        new ResnetStack(scope.at('down_blocks', level), {
          inChannels: channels[Math.max(level - 1, 0)],
          outChannels,
          layers: config.layers_per_block,
          groups,
          resample: (block) => level < last && new Downsample2D(block.at('downsamplers', 0), outChannels, 0),
        }),
    );
    this.midBlock = new MidBlock(scope.at('mid_block'), channels[last], 'encoder', config);
    this.convNormOut = new GroupNorm(scope.at('conv_norm_out'), groups, channels[last], EPS, { activation: 'silu' });
    this.convOut = new Conv2d(scope.at('conv_out'), channels[last], 2 * config.latent_channels, 3, { padding: 1 });
  }

  get sites(): readonly AttentionSite[] {
    return this.midBlock.sites;
  }

  /**
   * @param images [rows, height, width, in_channels] @returns means and log variances, [rows, h, w, 2 x
   * latent_channels]
   */
  forward(images: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D {
    const midBlock = (x: tf.Tensor4D) => this.midBlock.forward(x, control);
    return sequence(images, this.convIn, ...this.downBlocks, midBlock, this.convNormOut, this.convOut);
  }
}

/** Decodes latents to pictures (diffusers `Decoder`). */
export class Decoder {
  private readonly convIn: Conv2d;
  private readonly midBlock: MidBlock;
  private readonly upBlocks: readonly ResnetStack[];
  private readonly convNormOut: GroupNorm;
  private readonly convOut: Conv2d;

  constructor(scope: Scope, config: VAEConfig) {
    const { norm_num_groups: groups } = config;
    const channels = [...config.block_out_channels].reverse();
    const last = channels.length - 1;
    this.convIn = new Conv2d(scope.at('conv_in'), config.latent_channels, channels[0], 3, { padding: 1 });
    this.midBlock = new MidBlock(scope.at('mid_block'), channels[0], 'decoder', config);
    this.upBlocks = channels.map(
      (outChannels, i) =>
        new ResnetStack(scope.at('up_blocks', i), {
          inChannels: channels[Math.max(i - 1, 0)],
          outChannels,
          layers: config.layers_per_block + 1,
          groups,
          resample: (block) => i < last && new Upsample2D(block.at('upsamplers', 0), outChannels),
        }),
    );
    this.convNormOut = new GroupNorm(scope.at('conv_norm_out'), groups, channels[last], EPS, { activation: 'silu' });
    this.convOut = new Conv2d(scope.at('conv_out'), channels[last], config.out_channels, 3, { padding: 1 });
  }

  get sites(): readonly AttentionSite[] {
    return this.midBlock.sites;
  }

  /** @param latents [rows, h, w, latent_channels] @returns [rows, height, width, out_channels] */
  forward(latents: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D {
    const midBlock = (x: tf.Tensor4D) => this.midBlock.forward(x, control);
    return sequence(latents, this.convIn, midBlock, ...this.upBlocks, this.convNormOut, this.convOut);
  }
}

interface StackOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly layers: number;
  readonly groups: number;
  /** Makes the layer after the residual blocks, if there is one. */
  resample(block: Scope): Downsample2D | Upsample2D | false;
}

/** Residual blocks, optionally followed by a change of size (diffusers `DownEncoderBlock2D` and `UpDecoderBlock2D`). */
class ResnetStack {
  private readonly layers: Layer<tf.Tensor4D>[];

  constructor(scope: Scope, { inChannels, outChannels, layers, groups, resample }: StackOptions) {
    const resnets = Array.from(
      { length: layers },
      (_, i) =>
        new ResnetBlock2D(scope.at('resnets', i), {
          inChannels: i === 0 ? inChannels : outChannels,
          outChannels,
          groups,
          eps: EPS,
        }),
    );
    const last = resample(scope);
    this.layers = last ? [...resnets, last] : resnets;
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return sequence(x, ...this.layers);
  }
}

/** Two residual blocks with attention between them (diffusers `UNetMidBlock2D`). */
class MidBlock {
  private readonly resnets: readonly [ResnetBlock2D, ResnetBlock2D];
  private readonly attentions: readonly PixelAttention[];

  constructor(scope: Scope, channels: number, place: Place, config: VAEConfig) {
    const { norm_num_groups: groups, mid_block_add_attention } = config;
    const resnet = (i: number) =>
      new ResnetBlock2D(scope.at('resnets', i), { inChannels: channels, outChannels: channels, groups, eps: EPS });
    this.resnets = [resnet(0), resnet(1)];
    this.attentions = mid_block_add_attention
      ? [new PixelAttention(scope.at('attentions', 0), channels, place, groups)]
      : [];
  }

  get sites(): readonly AttentionSite[] {
    return this.attentions.map(({ site }) => site);
  }

  forward(x: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D {
    const [before, after] = this.resnets;
    const attentions = this.attentions.map((layer) => (hidden: tf.Tensor4D) => layer.forward(hidden, control));
    return sequence(x, before, ...attentions, after);
  }
}

/** Single-head attention between all pixels, with a residual connection (diffusers `Attention` as the VAE uses it). */
class PixelAttention {
  readonly site: AttentionSite;
  private readonly groupNorm: GroupNorm;
  private readonly toQ: Linear;
  private readonly toK: Linear;
  private readonly toV: Linear;
  private readonly toOut: Linear;

  constructor(scope: Scope, channels: number, place: Place, groups: number) {
    this.site = { path: scope.path, kind: 'vae', place, heads: 1, headSize: channels };
    this.groupNorm = new GroupNorm(scope.at('group_norm'), groups, channels, EPS);
    this.toQ = new Linear(scope.at('to_q'), channels, channels);
    this.toK = new Linear(scope.at('to_k'), channels, channels);
    this.toV = new Linear(scope.at('to_v'), channels, channels);
    this.toOut = new Linear(scope.at('to_out', 0), channels, channels);
  }

  forward(x: tf.Tensor4D, control?: AttentionControl): tf.Tensor4D {
    return tf.tidy(() => {
      const [rows, height, width, channels] = x.shape;
      const keys = height * width;
      const pixels = tf.reshape(this.groupNorm.forward(x), [rows, 1, keys, channels]) as tf.Tensor4D;
      const qkv = () => ({ q: this.toQ.forward(pixels), k: this.toK.forward(pixels), v: this.toV.forward(pixels) });
      const ways = { free: () => mergeHeads(scaledDotProduct(qkv())), qkv };
      const attended = attend(ways, { site: this.site, grid: { height, width }, keys }, control);
      return tf.add(x, tf.reshape(this.toOut.forward(attended), x.shape));
    });
  }
}
