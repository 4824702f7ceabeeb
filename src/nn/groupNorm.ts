import * as tf from '@tensorflow/tfjs';
import type { Parameter, Scope } from './scope';

/** Normalises each row over the picture and the channels of each group, then scales and shifts each channel (Wu and He 2018). */
export class GroupNorm {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  /** @throws if the channels do not fall into groups of equal size. */
  constructor(scope: Scope, readonly groups: number, readonly channels: number, readonly eps: number) {
    if (channels % groups !== 0) throw new Error(`${scope.path}: ${channels} channels do not fall into ${groups} groups of equal size.`);
    this.weight = scope.parameter('weight', [channels]);
    this.bias = scope.parameter('bias', [channels]);
  }

  /** @param x [rows, height, width, channels] @returns the same shape */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const mean = this.groupMeans(x);
      const variance = this.groupMeans(tf.squaredDifference(x, mean));
      // y = scale x + shift, with everything that is the same for the whole picture worked out beforehand
      const scale = tf.mul(this.weight.value, tf.rsqrt(tf.add(variance, this.eps)));
      const shift = tf.sub(this.bias.value, tf.mul(mean, scale));
      return tf.add(tf.mul(x, scale), shift) as tf.Tensor4D;
    });
  }

  /** The mean of each row's groups, for each channel its group's. @returns [rows, 1, 1, channels] */
  private groupMeans(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [rows, , , channels] = x.shape;
      const size = channels / this.groups;
      const ofChannels = tf.mean(x, [1, 2]);
      const ofGroups = tf.mean(tf.reshape(ofChannels, [rows, this.groups, size]), 2, true);
      return tf.reshape(tf.tile(ofGroups, [1, 1, size]), [rows, 1, 1, channels]);
    });
  }
}
