import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { silu, swishSlope } from './activations';
import { type Normalised, normGradient } from './normalised';
import type { Parameter, Scope } from './scope';

export interface GroupNormOptions {
  /** An activation applied right after the norm. */
  readonly activation?: 'silu';
}

/**
 * Normalises each row over the picture and the channels of each group, then scales and shifts each channel (Wu and He
 * 2018).
 */
export class GroupNorm {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  /** @throws if the channels cannot be divided into groups of equal size */
  constructor(
    scope: Scope,
    readonly groups: number,
    readonly channels: number,
    readonly eps: number,
    private readonly options: GroupNormOptions = {},
  ) {
    if (channels % groups !== 0)
      throw new Error(`${scope.path}: ${channels} channels cannot be split into ${groups} groups of equal size.`);
    this.weight = scope.parameter('weight', [channels]);
    this.bias = scope.parameter('bias', [channels]);
  }

  /** @param x [rows, height, width, channels] @returns the same shape; gradients flow only to `x` */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    return fused<tf.Tensor4D, { x: tf.Tensor4D }>('P2pGroupNorm', {
      inputs: { x },
      ...this.numbers(),
      plain: (inputs) => {
        const y = this.scaled(this.normalise(inputs.x).normal);
        return this.withSilu ? silu(y) : y;
      },
      saved: ['x'],
      gradient: (dy, saved) => ({ x: this.gradient(dy, saved.x) }),
    });
  }

  private gradient(dy: tf.Tensor4D, x: tf.Tensor4D): tf.Tensor4D {
    return fused<tf.Tensor4D, { x: tf.Tensor4D; dy: tf.Tensor4D }>('P2pGroupNormGradient', {
      inputs: { x, dy },
      ...this.numbers(),
      plain: (inputs) => {
        const { normal, inverseStd } = this.normalise(inputs.x);
        const dScaled = this.withSilu ? tf.mul(inputs.dy, swishSlope(this.scaled(normal), 1)) : inputs.dy;
        const dNormal = tf.mul(dScaled, this.weight.value);
        return normGradient(dNormal, normal, inverseStd, (v) => this.groupMeans(v as tf.Tensor4D)) as tf.Tensor4D;
      },
    });
  }

  private get withSilu(): boolean {
    return this.options.activation === 'silu';
  }

  /** The constants and attributes that both kernels get. */
  private numbers() {
    return {
      constants: { weight: this.weight.value, bias: this.bias.value },
      attributes: { groups: this.groups, epsilon: this.eps, silu: this.withSilu ? 1 : 0 },
    };
  }

  private scaled(normal: tf.Tensor): tf.Tensor4D {
    return tf.add(tf.mul(normal, this.weight.value), this.bias.value);
  }

  private normalise(x: tf.Tensor4D): Normalised {
    return tf.tidy(() => {
      const centred = tf.sub(x, this.groupMeans(x)) as tf.Tensor4D;
      const inverseStd = tf.rsqrt(tf.add(this.groupMeans(tf.square(centred)), this.eps));
      return { normal: tf.mul(centred, inverseStd), inverseStd };
    });
  }

  /** The mean of each row's groups, repeated for each channel of the group. @returns [rows, 1, 1, channels] */
  private groupMeans(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [rows, height, width, channels] = x.shape;
      const size = channels / this.groups;
      const ofChannels = tf.sum(tf.reshape(x, [rows, height * width, channels]), 1);
      const ofGroups = tf.sum(tf.reshape(ofChannels, [rows, this.groups, size]), 2, true);
      const means = tf.div(ofGroups, height * width * size);
      return tf.reshape(tf.tile(means, [1, 1, size]), [rows, 1, 1, channels]);
    });
  }
}
