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

  /** @param x [..., features] @returns the same shape; gradients flow to `x` alone */
  forward<T extends tf.Tensor>(x: T): T {
    const constants = { weight: this.weight.value, bias: this.bias.value };
    return fused<T, { x: T }>('P2pLayerNorm', {
      inputs: { x },
      constants,
      attributes: { epsilon: this.eps },
      plain: (inputs) => tf.add(tf.mul(this.normalise(inputs.x).normal, constants.weight), constants.bias),
      saved: ['x'],
      gradient: (dy, saved) => {
        const { normal, inverseStd } = this.normalise(saved.x);
        return { x: normGradient(tf.mul(dy, constants.weight), normal, inverseStd, (v) => tf.mean(v, -1, true)) as T };
      },
    });
  }

  private normalise<T extends tf.Tensor>(x: T): Normalised {
    return tf.tidy(() => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const inverseStd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), this.eps));
      return { normal: tf.mul(centred, inverseStd), inverseStd };
    });
  }
}
