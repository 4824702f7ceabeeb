import * as tf from '@tensorflow/tfjs';
import { convolve } from './convolution';
import type { Parameter, Scope } from './scope';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zero padding: the same on every side (default 0), or [above and left, below and right]. */
  readonly padding?: number | readonly [number, number];
}

/** A convolution with a square kernel and a bias, over NHWC. */
export class Conv2d {
  private readonly weight: Parameter;
  private readonly bias: Parameter;
  private readonly stride: number;
  private readonly padding: readonly [number, number];

  constructor(
    scope: Scope,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: number,
    { stride = 1, padding = 0 }: Conv2dOptions = {},
  ) {
    this.weight = scope.parameter('weight', [outChannels, inChannels, kernelSize, kernelSize], 'conv');
    this.bias = scope.parameter('bias', [outChannels]);
    this.stride = stride;
    this.padding = typeof padding === 'number' ? [padding, padding] : padding;
  }

  /**
   * @param x [rows, height, width, inChannels]
   * @param shift added to the result in addition to the bias, [1, outChannels]
   * @returns [rows, (height + padding - kernel) / stride + 1, likewise, outChannels]; gradients flow to `x` and `shift`
   */
  forward(x: tf.Tensor4D, shift?: tf.Tensor2D): tf.Tensor4D {
    return tf.tidy(() => {
      const bias = this.bias.value as tf.Tensor1D;
      return convolve(x, {
        filter: this.weight.kept as tf.Tensor4D,
        bias: shift ? tf.add(bias, tf.reshape(shift, [this.outChannels])) : bias,
        stride: this.stride,
        padding: this.padding,
      });
    });
  }
}
