import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import type { Context } from '../attention/context';
import type { AttentionSite, FeatureSite } from '../attention/controller';
import { silu } from '../nn/activations';
import { Conv2d } from '../nn/conv2d';
import { GroupNorm } from '../nn/groupNorm';
import { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import { atLevel, type UNetConfig } from './config';
import { Network } from './network';
import type { UNet } from './roles';
import { TimestepEmbedding, timestepSinusoids } from './timestep';
import { type Conditioning, DownBlock, MidBlock, UpBlock } from './unetBlocks';

/**
 * The network that predicts the noise (or the velocity) in latents, given the timestep and the encoded prompt:
 * Stable Diffusion 1.x and 2.x's (diffusers `UNet2DConditionModel`).
 */
export class UNet2DConditionModel extends Network implements UNet {
  private readonly convIn: Conv2d;
  private readonly timeEmbedding: TimestepEmbedding;
  private readonly downBlocks: readonly DownBlock[];
  private readonly midBlock: MidBlock;
  private readonly upBlocks: readonly UpBlock[];
  private readonly convNormOut: GroupNorm;
  private readonly convOut: Conv2d;

  constructor(
    readonly config: UNetConfig,
    scope = new Scope(),
  ) {
    super(scope);
    const channels = config.block_out_channels;
    const last = channels.length - 1;
    const timeFeatures = 4 * channels[0];
    const resnet = { timeFeatures, groups: config.norm_num_groups, eps: config.norm_eps };
    const transformer = (level: number) => ({
      contextDim: config.cross_attention_dim,
      heads: atLevel(config.attention_head_dim, level),
      layers: atLevel(config.transformer_layers_per_block, level),
      groups: config.norm_num_groups,
      useLinearProjection: config.use_linear_projection,
    });

    this.convIn = new Conv2d(scope.at('conv_in'), config.in_channels, channels[0], 3, { padding: 1 });
    this.timeEmbedding = new TimestepEmbedding(scope.at('time_embedding'), channels[0], timeFeatures);

    // The channels of the skip connections from the down path to the up path.
    const skips = [channels[0]];
    this.downBlocks = config.down_block_types.map((type, level) => {
      const layers = atLevel(config.layers_per_block, level);
      skips.push(...Array(level < last ? layers + 1 : layers).fill(channels[level]));
      return new DownBlock(scope.at('down_blocks', level), {
        inChannels: channels[Math.max(level - 1, 0)],
        outChannels: channels[level],
        layers,
        resnet,
        transformer: type === 'CrossAttnDownBlock2D' ? { ...transformer(level), place: 'down' } : undefined,
        downsample: level < last ? { padding: config.downsample_padding } : undefined,
      });
    });

    this.midBlock = new MidBlock(scope.at('mid_block'), {
      channels: channels[last],
      resnet: { ...resnet, outputScaleFactor: config.mid_block_scale_factor },
      transformer: { ...transformer(last), place: 'mid' },
    });

    this.upBlocks = config.up_block_types.map((type, i) => {
      const level = last - i;
      return new UpBlock(scope.at('up_blocks', i), {
        inChannels: channels[Math.min(level + 1, last)],
        outChannels: channels[level],
        skipChannels: Array.from({ length: atLevel(config.layers_per_block, level) + 1 }, () => skips.pop() as number),
        resnet,
        transformer: type === 'CrossAttnUpBlock2D' ? { ...transformer(level), place: 'up' } : undefined,
        upsample: level > 0,
      });
    });

    this.convNormOut = new GroupNorm(scope.at('conv_norm_out'), config.norm_num_groups, channels[0], config.norm_eps, {
      activation: 'silu',
    });
    this.convOut = new Conv2d(scope.at('conv_out'), channels[0], config.out_channels, 3, { padding: 1 });
  }

  /** Every attention layer, in order of evaluation. */
  get sites(): readonly AttentionSite[] {
    return [...this.downBlocks, this.midBlock, ...this.upBlocks].flatMap((block) => block.sites);
  }

  /** Every place where features outside attention can be read and replaced, in order of evaluation. */
  get featureSites(): readonly FeatureSite[] {
    return [...this.downBlocks, this.midBlock, ...this.upBlocks].flatMap((block) => block.featureSites);
  }

  /**
   * @param latents [rows, height, width, in_channels]; any height and width
   * @param timestep the timestep for all rows, such as 981
   * @param context the encoded prompts, [rows, tokens, cross_attention_dim]; any number of tokens; or a
   *   {@link FixedContext} if they stay the same for a run
   * @param control a controller that may read and change attention, and the description of this evaluation for it
   * @returns [rows, height, width, out_channels]
   * @throws RangeError if rows, channels or features do not match
   */
  forward(latents: tf.Tensor4D, timestep: number, context: Context, control?: AttentionControl): tf.Tensor4D {
    this.check(latents, context);
    return tf.tidy(() => {
      // 1. time
      const { block_out_channels: channels, flip_sin_to_cos: flipSinToCos, freq_shift: freqShift } = this.config;
      const sinusoids = timestepSinusoids(timestep, channels[0], { flipSinToCos, freqShift });
      const conditioning: Conditioning = { time: sequence(sinusoids, this.timeEmbedding, silu), context, control };

      // 2. down: every result is kept for the up path
      const skips = [this.convIn.forward(latents)];
      for (const block of this.downBlocks) skips.push(...block.forward(skips[skips.length - 1], conditioning));

      // 3. middle
      let hidden = this.midBlock.forward(skips[skips.length - 1], conditioning);

      // 4. up: every block frees what it uses
      for (const block of this.upBlocks) hidden = block.forward(hidden, skips, conditioning);

      // 5. out
      return sequence(hidden, this.convNormOut, this.convOut);
    });
  }

  private check(latents: tf.Tensor4D, context: Context): void {
    const { in_channels: channels, cross_attention_dim: features } = this.config;
    if (latents.shape[3] !== channels)
      throw new RangeError(`The UNet takes latents of ${channels} channels, not [${latents.shape}].`);
    if (context.shape[2] !== features)
      throw new RangeError(`The UNet takes contexts of ${features} features, not [${context.shape}].`);
    if (latents.shape[0] !== context.shape[0])
      throw new RangeError(`${latents.shape[0]} rows of latents do not match ${context.shape[0]} rows of context.`);
  }
}
