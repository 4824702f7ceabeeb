import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
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
    return fused('P2pLayerNorm', { inputs: { x }, constants, attributes: { epsilon: this.eps } }, (inputs) =>
      this.plain(inputs.x),
    );
  }

  private plain<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centred), -1, true);
      const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, this.eps)));
      return tf.add(tf.mul(normal, this.weight.value), this.bias.value) as T;
    });
  }
}
