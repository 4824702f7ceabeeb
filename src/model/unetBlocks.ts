import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attention';
import type { Context } from '../attention/context';
import type { AttentionSite } from '../attention/controller';
import { checkpoint } from '../nn/checkpoint';
import type { Scope } from '../nn/scope';
import { Downsample2D, Upsample2D } from './resample';
import { ResnetBlock2D, type ResnetOptions } from './resnet';
import { Transformer2DModel, type TransformerOptions } from './transformer2d';

/** What every layer of an evaluation of the UNet is told besides its input. */
export interface Conditioning {
  /** silu of the timestep's embedding, [1, features]. */
  readonly time: tf.Tensor2D;
  /** [rows, tokens, contextDim] */
  readonly context: Context;
  readonly control?: AttentionControl;
}

interface BlockOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly resnet: Omit<ResnetOptions, 'inChannels' | 'outChannels'>;
  /** Absent in a block without cross-attention. */
  readonly transformer?: Omit<TransformerOptions, 'channels'>;
}

export interface DownBlockOptions extends BlockOptions {
  readonly layers: number;
  readonly downsample?: { readonly padding: number };
}

/** diffusers `CrossAttnDownBlock2D`, or `DownBlock2D` where there are no transformers. */
export class DownBlock {
  private readonly resnets: readonly ResnetBlock2D[];
  private readonly attentions: readonly Transformer2DModel[];
  private readonly downsampler?: Downsample2D;

  constructor(scope: Scope, { inChannels, outChannels, layers, resnet, transformer, downsample }: DownBlockOptions) {
    this.resnets = Array.from(
      { length: layers },
      (_, i) =>
        new ResnetBlock2D(scope.at('resnets', i), {
          ...resnet,
          inChannels: i === 0 ? inChannels : outChannels,
          outChannels,
        }),
    );
    this.attentions = transformers(scope, layers, outChannels, transformer);
    if (downsample) this.downsampler = new Downsample2D(scope.at('downsamplers', 0), outChannels, downsample.padding);
  }

  get sites(): readonly AttentionSite[] {
    return this.attentions.flatMap((attention) => attention.sites);
  }

  /** @returns what each layer made, for the up blocks to use again; the last is the block's result */
  forward(x: tf.Tensor4D, conditioning: Conditioning): tf.Tensor4D[] {
    return tf.tidy(() => {
      const results: tf.Tensor4D[] = [];
      let hidden = x;
      this.resnets.forEach((resnet, i) => {
        hidden = layer(hidden, resnet, this.attentions[i], conditioning);
        results.push(hidden);
      });
      if (this.downsampler) results.push(this.downsampler.forward(hidden));
      return results;
    });
  }
}

export interface MidBlockOptions {
  readonly channels: number;
  readonly resnet: BlockOptions['resnet'];
  readonly transformer: Omit<TransformerOptions, 'channels'>;
}

/** diffusers `UNetMidBlock2DCrossAttn` */
export class MidBlock {
  private readonly resnets: readonly [ResnetBlock2D, ResnetBlock2D];
  private readonly attention: Transformer2DModel;

  constructor(scope: Scope, { channels, resnet, transformer }: MidBlockOptions) {
    const options = { ...resnet, inChannels: channels, outChannels: channels };
    this.resnets = [
      new ResnetBlock2D(scope.at('resnets', 0), options),
      new ResnetBlock2D(scope.at('resnets', 1), options),
    ];
    this.attention = new Transformer2DModel(scope.at('attentions', 0), { ...transformer, channels });
  }

  get sites(): readonly AttentionSite[] {
    return this.attention.sites;
  }

  forward(x: tf.Tensor4D, conditioning: Conditioning): tf.Tensor4D {
    return tf.tidy(() => {
      const attended = layer(x, this.resnets[0], this.attention, conditioning);
      return layer(attended, this.resnets[1], undefined, conditioning);
    });
  }
}

export interface UpBlockOptions extends BlockOptions {
  /**
   * Channels of the results of the way down that this block uses again, in the order in which it uses them; one for
   * each layer.
   */
  readonly skipChannels: readonly number[];
  readonly upsample: boolean;
}

/** diffusers `CrossAttnUpBlock2D`, or `UpBlock2D` where there are no transformers. */
export class UpBlock {
  private readonly resnets: readonly ResnetBlock2D[];
  private readonly attentions: readonly Transformer2DModel[];
  private readonly upsampler?: Upsample2D;

  constructor(scope: Scope, { inChannels, outChannels, skipChannels, resnet, transformer, upsample }: UpBlockOptions) {
    this.resnets = skipChannels.map(
      (skip, i) =>
        new ResnetBlock2D(scope.at('resnets', i), {
          ...resnet,
          inChannels: (i === 0 ? inChannels : outChannels) + skip,
          outChannels,
        }),
    );
    this.attentions = transformers(scope, skipChannels.length, outChannels, transformer);
    if (upsample) this.upsampler = new Upsample2D(scope.at('upsamplers', 0), outChannels);
  }

  get sites(): readonly AttentionSite[] {
    return this.attentions.flatMap((attention) => attention.sites);
  }

  /**
   * @param x freed as soon as it is used
   * @param skips the results of the way down that are not used yet: the block takes its own from the end, and frees
   *   them. The last of those that stay tells the size to upsample to, so that sizes which were rounded up on the way
   *   down come back.
   */
  forward(x: tf.Tensor4D, skips: tf.Tensor4D[], conditioning: Conditioning): tf.Tensor4D {
    return tf.tidy(() => {
      let hidden = x;
      this.resnets.forEach((resnet, i) => {
        const skip = skips.pop() as tf.Tensor4D;
        const joined = tf.concat([hidden, skip], 3);
        tf.dispose([hidden, skip]);
        hidden = layer(joined, resnet, this.attentions[i], conditioning);
        joined.dispose();
      });
      if (!this.upsampler) return hidden;
      const [, height, width] = skips[skips.length - 1].shape;
      return this.upsampler.forward(hidden, [height, width]);
    });
  }
}

function transformers(
  scope: Scope,
  count: number,
  channels: number,
  options?: Omit<TransformerOptions, 'channels'>,
): Transformer2DModel[] {
  if (!options) return [];
  return Array.from(
    { length: count },
    (_, i) => new Transformer2DModel(scope.at('attentions', i), { ...options, channels }),
  );
}

function layer(
  x: tf.Tensor4D,
  resnet: ResnetBlock2D,
  attention: Transformer2DModel | undefined,
  { time, context, control }: Conditioning,
): tf.Tensor4D {
  return tf.tidy(() => {
    const hidden = checkpoint([x, time] as const, (x, time) => resnet.forward(x, time));
    if (!attention) return hidden;
    return context instanceof tf.Tensor
      ? checkpoint([hidden, context] as const, (x, context) => attention.forward(x, context, control))
      : checkpoint([hidden] as const, (x) => attention.forward(x, context, control));
  });
}
