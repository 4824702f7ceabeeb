import * as tf from '@tensorflow/tfjs';
import type { Parameter, Scope } from './scope';

/** y = x W + b over the last axis. */
export class Linear {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  constructor(scope: Scope, readonly inFeatures: number, readonly outFeatures: number, options: { bias?: boolean } = {}) {
    this.weight = scope.parameter('weight', [outFeatures, inFeatures], 'linear');
    if (options.bias ?? true) this.bias = scope.parameter('bias', [outFeatures]);
  }

  /** @param x [..., inFeatures] @returns [..., outFeatures] */
  forward<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => {
      const flat = tf.reshape(x, [-1, this.inFeatures]);
      const product = tf.matMul(flat, this.weight.value);
      const y = this.bias ? tf.add(product, this.bias.value) : product;
      return tf.reshape(y, [...x.shape.slice(0, -1), this.outFeatures]) as T;
    });
  }
}
