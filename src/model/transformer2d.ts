import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import { Attention } from '../attention/attention';
import type { Context } from '../attention/context';
import type { AttentionSite, Grid, Place } from '../attention/controller';
import { geglu } from '../nn/activations';
import { Conv2d } from '../nn/conv2d';
import { GroupNorm } from '../nn/groupNorm';
import { LayerNorm } from '../nn/layerNorm';
import { Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';

export interface TransformerOptions {
  readonly channels: number;
  readonly contextDim: number;
  readonly heads: number;
  /** The number of transformer blocks. */
  readonly layers: number;
  readonly groups: number;
  readonly useLinearProjection: boolean;
  readonly place: Place;
}

/** Transformer blocks over the pixels of a picture (diffusers `Transformer2DModel`). */
export class Transformer2DModel {
  private readonly norm: GroupNorm;
  private readonly projIn: Projection;
  private readonly transformerBlocks: readonly BasicTransformerBlock[];
  private readonly projOut: Projection;

  constructor(scope: Scope, options: TransformerOptions) {
    const { channels, groups, layers, useLinearProjection } = options;
    this.norm = new GroupNorm(scope.at('norm'), groups, channels, 1e-6);
    this.projIn = projection(scope.at('proj_in'), channels, useLinearProjection);
    this.transformerBlocks = Array.from(
      { length: layers },
      (_, i) => new BasicTransformerBlock(scope.at('transformer_blocks', i), options),
    );
    this.projOut = projection(scope.at('proj_out'), channels, useLinearProjection);
  }

  get sites(): readonly AttentionSite[] {
    return this.transformerBlocks.flatMap((block) => block.sites);
  }

  /**
   * @param x [rows, height, width, channels]
   * @param context [rows, tokens, contextDim]
   * @returns the shape of `x`
   */
  forward(x: tf.Tensor4D, context: Context, control?: AttentionControl): tf.Tensor4D {
    return tf.tidy(() => {
      const [rows, height, width, channels] = x.shape;
      const tokens: tf.Tensor3D = tf.reshape(sequence(x, this.norm, this.projIn), [rows, height * width, channels]);
      const run = (block: BasicTransformerBlock) => (hidden: tf.Tensor3D) =>
        block.forward(hidden, context, { height, width }, control);
      const hidden = sequence(tokens, ...this.transformerBlocks.map(run));
      const back: tf.Tensor4D = tf.reshape(hidden, x.shape);
      return tf.add(this.projOut.forward(back), x);
    });
  }
}

/** A per-pixel projection: older checkpoints store it as a convolution, newer ones as a linear layer. */
type Projection = Conv2d | Linear;

function projection(scope: Scope, channels: number, linear: boolean): Projection {
  return linear ? new Linear(scope, channels, channels) : new Conv2d(scope, channels, channels, 1);
}

/**
 * Self-attention, cross-attention and a feed-forward network, each with a residual connection (diffusers
 * `BasicTransformerBlock`).
 */
class BasicTransformerBlock {
  private readonly norm1: LayerNorm;
  private readonly attn1: Attention;
  private readonly norm2: LayerNorm;
  private readonly attn2: Attention;
  private readonly norm3: LayerNorm;
  private readonly ff: FeedForward;

  constructor(scope: Scope, { channels, contextDim, heads, place }: TransformerOptions) {
    const shared = { place, queryDim: channels, heads, headSize: channels / heads };
    this.norm1 = new LayerNorm(scope.at('norm1'), channels);
    this.attn1 = new Attention(scope.at('attn1'), { ...shared, kind: 'self' });
    this.norm2 = new LayerNorm(scope.at('norm2'), channels);
    this.attn2 = new Attention(scope.at('attn2'), { ...shared, kind: 'cross', contextDim });
    this.norm3 = new LayerNorm(scope.at('norm3'), channels);
    this.ff = new FeedForward(scope.at('ff'), channels);
  }

  get sites(): readonly AttentionSite[] {
    return [this.attn1.site, this.attn2.site];
  }

  /** @param x [rows, height x width, channels] @returns the same shape */
  forward(x: tf.Tensor3D, context: Context, grid: Grid, control?: AttentionControl): tf.Tensor3D {
    return tf.tidy(() => {
      const selfAttention = (normal: tf.Tensor3D) => this.attn1.forward(normal, normal, grid, control);
      const crossAttention = (normal: tf.Tensor3D) => this.attn2.forward(normal, context, grid, control);
      const looked = residual(x, this.norm1, selfAttention);
      const read = residual(looked, this.norm2, crossAttention);
      return residual(read, this.norm3, (normal) => this.ff.forward(normal));
    });
  }
}

/** x + layer(norm(x)) */
function residual(x: tf.Tensor3D, norm: LayerNorm, layer: (normal: tf.Tensor3D) => tf.Tensor3D): tf.Tensor3D {
  return tf.tidy(() => tf.add(x, layer(norm.forward(x))));
}

/**
 * A gated hidden layer with four times the features (Shazeer 2020, GEGLU), projected back (diffusers `FeedForward`).
 */
class FeedForward {
  private readonly projIn: Linear;
  private readonly projOut: Linear;

  constructor(scope: Scope, features: number) {
    this.projIn = new Linear(scope.at('net', 0, 'proj'), features, 8 * features);
    this.projOut = new Linear(scope.at('net', 2), 4 * features, features);
  }

  forward(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      const gated = tf.tidy(() => geglu(this.projIn.forward(x)));
      return this.projOut.forward(gated);
    });
  }
}
