import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { type Normalised, normGradient } from './normalised';
import type { Parameter, Scope } from './scope';

/**
 * Normalises each vector along the last axis, then scales and shifts each of its features (Ba, Kiros and Hinton 2016).
 */
export class LayerNorm {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(
    scope: Scope,
    features: number,
    readonly eps = 1e-5,
  ) {
    this.weight = scope.parameter('weight', [features]);
    this.bias = scope.parameter('bias', [features]);
  }

  /** @param x [..., features] @returns the same shape; gradients flow only to `x` */
  forward<T extends tf.Tensor>(x: T): T {
    return fused<T, { x: T }>('P2pLayerNorm', {
      inputs: { x },
      ...this.numbers(),
      plain: (inputs) => tf.add(tf.mul(this.normalise(inputs.x).normal, this.weight.value), this.bias.value),
      saved: ['x'],
      gradient: (dy, saved) => ({ x: this.gradient(dy, saved.x) }),
    });
  }

  private gradient<T extends tf.Tensor>(dy: T, x: T): T {
    return fused<T, { x: T; dy: T }>('P2pLayerNormGradient', {
      inputs: { x, dy },
      ...this.numbers(),
      plain: (inputs) => {
        const { normal, inverseStd } = this.normalise(inputs.x);
        const dNormal = tf.mul(inputs.dy, this.weight.value);
        return normGradient(dNormal, normal, inverseStd, (v) => tf.mean(v, -1, true)) as T;
      },
    });
  }

  /** The constants and attributes that both kernels get. */
  private numbers() {
    return {
      constants: { weight: this.weight.value, bias: this.bias.value },
      attributes: { epsilon: this.eps },
    };
  }

  private normalise<T extends tf.Tensor>(x: T): Normalised {
    return tf.tidy(() => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const inverseStd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), this.eps));
      return { normal: tf.mul(centred, inverseStd), inverseStd };
    });
  }
}
