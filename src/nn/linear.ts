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

  /** @param x [..., inFeatures] @returns [..., outFeatures]; gradients flow to `x` alone */
  forward<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => {
      const rows = tf.reshape(x, [-1, this.inFeatures]);
      const y = tf.customGrad((input) => ({
        value: this.product(input as tf.Tensor2D),
        gradFunc: (dy) => tf.matMul(dy, this.weight.value, false, true),
      }))(rows);
      return tf.reshape(y, [...x.shape.slice(0, -1), this.outFeatures]) as T;
    });
  }

  private product(rows: tf.Tensor2D): tf.Tensor {
    const weight = this.weight.value as tf.Tensor2D;
    // tfjs gives a fused product three reshapes that a plain one does without.
    return this.bias ? tf.fused.matMul({ a: rows, b: weight, bias: this.bias.value }) : tf.matMul(rows, weight);
  }
}
