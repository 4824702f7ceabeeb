import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { silu } from './activations';
import type { Parameter, Scope } from './scope';

export interface GroupNormOptions {
  /** What follows the norm at once. */
  readonly activation?: 'silu';
}

/**
 * Normalises each row over the picture and the channels of each group, then scales and shifts each channel (Wu and He
 * 2018).
 */
export class GroupNorm {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  /** @throws if the channels do not fall into groups of equal size. */
  constructor(
    scope: Scope,
    readonly groups: number,
    readonly channels: number,
    readonly eps: number,
    private readonly options: GroupNormOptions = {},
  ) {
    if (channels % groups !== 0)
      throw new Error(`${scope.path}: ${channels} channels do not fall into ${groups} groups of equal size.`);
    this.weight = scope.parameter('weight', [channels]);
    this.bias = scope.parameter('bias', [channels]);
  }

  /** @param x [rows, height, width, channels] @returns the same shape; gradients flow to `x` alone */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    const constants = { weight: this.weight.value, bias: this.bias.value };
    const withSilu = this.options.activation === 'silu';
    const attributes = { groups: this.groups, epsilon: this.eps, silu: withSilu ? 1 : 0 };
    return fused('P2pGroupNorm', { inputs: { x }, constants, attributes }, (inputs) =>
      withSilu ? silu(this.plain(inputs.x)) : this.plain(inputs.x),
    );
  }

  private plain(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(
      () =>
        tf.customGrad((input, save) => {
          const x = input as tf.Tensor4D;
          const mean = this.groupMeans(x);
          const variance = tf.tidy(() => this.groupMeans(tf.squaredDifference(x, mean)));
          const inverseStd = tf.rsqrt(tf.add(variance, this.eps)) as tf.Tensor4D;
          // y = scale x + shift: whatever is the same for a whole picture is worked out beforehand
          const scale = tf.mul(this.weight.value, inverseStd);
          const shift = tf.sub(this.bias.value, tf.mul(mean, scale));
          (save as tf.GradSaveFunc)([x, mean, inverseStd]);
          return {
            value: tf.add(tf.mul(x, scale), shift),
            gradFunc: (dy, saved) => this.gradient(dy as tf.Tensor4D, saved as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]),
          };
        })(x) as tf.Tensor4D,
    );
  }

  private gradient(dy: tf.Tensor4D, [x, mean, inverseStd]: [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]): tf.Tensor4D {
    return tf.tidy(() => {
      const normal = tf.mul(tf.sub(x, mean), inverseStd) as tf.Tensor4D;
      const dNormal = tf.mul(dy, this.weight.value) as tf.Tensor4D;
      const alongMean = this.groupMeans(dNormal);
      const alongScale = tf.mul(normal, this.groupMeans(tf.mul(dNormal, normal)));
      return tf.mul(inverseStd, tf.sub(tf.sub(dNormal, alongMean), alongScale));
    });
  }

  /** The mean of each row's groups, for each channel its group's. @returns [rows, 1, 1, channels] */
  private groupMeans(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [rows, height, width, channels] = x.shape;
      const size = channels / this.groups;
      // Pooling reads NHWC as it lies; `tf.mean` over height and width would first transpose it on the wasm backend.
      const ofChannels = tf.avgPool(x, [height, width], 1, 'valid');
      const ofGroups = tf.mean(tf.reshape(ofChannels, [rows, this.groups, size]), 2, true);
      return tf.reshape(tf.tile(ofGroups, [1, 1, size]), [rows, 1, 1, channels]);
    });
  }
}
