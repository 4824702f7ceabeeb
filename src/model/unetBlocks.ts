import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import type { Context } from '../attention/context';
import type { AttentionSite, FeatureKind, FeatureSite, Place } from '../attention/controller';
import { features } from '../attention/features';
import { checkpoint } from '../nn/checkpoint';
import type { Scope } from '../nn/scope';
import { Downsample2D, Upsample2D } from './resample';
import { ResnetBlock2D, type ResnetOptions } from './resnet';
import { Transformer2DModel, type TransformerOptions } from './transformer2d';

/** What every layer of the UNet gets besides its input. */
export interface Conditioning {
  /** silu of the timestep embedding, [1, features]. */
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

/** diffusers `CrossAttnDownBlock2D`, or `DownBlock2D` if there are no transformers. */
export class DownBlock {
  private readonly resnets: readonly ResnetBlock2D[];
  private readonly attentions: readonly Transformer2DModel[];
  private readonly downsampler?: Downsample2D;
  readonly featureSites: readonly FeatureSite[];

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
    this.featureSites = [
      ...this.resnets.map((_, i) => featureSite(scope.at('resnets', i), 'resnet', 'down', outChannels)),
      featureSite(scope, 'block', 'down', outChannels),
    ];
  }

  get sites(): readonly AttentionSite[] {
    return this.attentions.flatMap((attention) => attention.sites);
  }

  /** @returns each layer's output, for the skip connections; the last is the block's output */
  forward(x: tf.Tensor4D, conditioning: Conditioning): tf.Tensor4D[] {
    return tf.tidy(() => {
      const results: tf.Tensor4D[] = [];
      let hidden = x;
      this.resnets.forEach((resnet, i) => {
        hidden = layer(hidden, resnet, this.attentions[i], this.featureSites[i], conditioning);
        results.push(hidden);
      });
      if (this.downsampler) results.push(this.downsampler.forward(hidden));
      const end = results.pop() as tf.Tensor4D;
      return [...results, features(end, this.featureSites[this.resnets.length], conditioning.control)];
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
  readonly featureSites: readonly FeatureSite[];

  constructor(scope: Scope, { channels, resnet, transformer }: MidBlockOptions) {
    const options = { ...resnet, inChannels: channels, outChannels: channels };
    this.resnets = [
      new ResnetBlock2D(scope.at('resnets', 0), options),
      new ResnetBlock2D(scope.at('resnets', 1), options),
    ];
    this.attention = new Transformer2DModel(scope.at('attentions', 0), { ...transformer, channels });
    this.featureSites = [
      ...this.resnets.map((_, i) => featureSite(scope.at('resnets', i), 'resnet', 'mid', channels)),
      featureSite(scope, 'block', 'mid', channels),
    ];
  }

  get sites(): readonly AttentionSite[] {
    return this.attention.sites;
  }

  forward(x: tf.Tensor4D, conditioning: Conditioning): tf.Tensor4D {
    return tf.tidy(() => {
      const [first, second, end] = this.featureSites;
      const attended = layer(x, this.resnets[0], this.attention, first, conditioning);
      const hidden = layer(attended, this.resnets[1], undefined, second, conditioning);
      return features(hidden, end, conditioning.control);
    });
  }
}

export interface UpBlockOptions extends BlockOptions {
  /** Channels of the skip connections this block takes, one per layer, in order of use. */
  readonly skipChannels: readonly number[];
  readonly upsample: boolean;
}

/** diffusers `CrossAttnUpBlock2D`, or `UpBlock2D` if there are no transformers. */
export class UpBlock {
  private readonly resnets: readonly ResnetBlock2D[];
  private readonly attentions: readonly Transformer2DModel[];
  private readonly upsampler?: Upsample2D;
  /** For each resnet, the sites of its two inputs (from the layer before and the skip connection) and of its output. */
  private readonly layerSites: readonly (readonly [backbone: FeatureSite, skip: FeatureSite, made: FeatureSite])[];
  private readonly end: FeatureSite;

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
    this.layerSites = skipChannels.map((skip, i) => {
      const site = (kind: FeatureKind, channels: number) => featureSite(scope.at('resnets', i), kind, 'up', channels);
      return [site('backbone', i === 0 ? inChannels : outChannels), site('skip', skip), site('resnet', outChannels)];
    });
    this.end = featureSite(scope, 'block', 'up', outChannels);
  }

  get featureSites(): readonly FeatureSite[] {
    return [...this.layerSites.flat(), this.end];
  }

  get sites(): readonly AttentionSite[] {
    return this.attentions.flatMap((attention) => attention.sites);
  }

  /**
   * @param x disposed of as soon as it is used
   * @param skips the unused outputs of the down path. The block takes its own from the end and disposes of them. The
   *   last one remaining gives the size to upsample to, which undoes any rounding up in the down path.
   */
  forward(x: tf.Tensor4D, skips: tf.Tensor4D[], conditioning: Conditioning): tf.Tensor4D {
    return tf.tidy(() => {
      let hidden = x;
      this.resnets.forEach((resnet, i) => {
        const skip = skips.pop() as tf.Tensor4D;
        const [ofBackbone, ofSkip, made] = this.layerSites[i];
        const joined = tf.tidy(() =>
          tf.concat(
            [features(hidden, ofBackbone, conditioning.control), features(skip, ofSkip, conditioning.control)],
            3,
          ),
        );
        tf.dispose([hidden, skip]);
        hidden = layer(joined, resnet, this.attentions[i], made, conditioning);
        joined.dispose();
      });
      return features(this.upsampled(hidden, skips), this.end, conditioning.control);
    });
  }

  private upsampled(hidden: tf.Tensor4D, skips: readonly tf.Tensor4D[]): tf.Tensor4D {
    if (!this.upsampler) return hidden;
    const [, height, width] = skips[skips.length - 1].shape;
    return this.upsampler.forward(hidden, [height, width]);
  }
}

function featureSite({ path }: Scope, kind: FeatureKind, place: Place, channels: number): FeatureSite {
  return { path, kind, place, channels };
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
  site: FeatureSite,
  { time, context, control }: Conditioning,
): tf.Tensor4D {
  return tf.tidy(() => {
    const made = checkpoint([x, time] as const, (x, time) => resnet.forward(x, time));
    const hidden = features(made, site, control);
    if (!attention) return hidden;
    return context instanceof tf.Tensor
      ? checkpoint([hidden, context] as const, (x, context) => attention.forward(x, context, control))
      : checkpoint([hidden] as const, (x) => attention.forward(x, context, control));
  });
}
