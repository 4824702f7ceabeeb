import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import type { Parameter, Scope } from './scope';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros around the picture: as many on every side (default 0), or [above and left, below and right]. */
  readonly padding?: number | readonly [number, number];
}

/** A square convolution with bias over NHWC. */
export class Conv2d {
  private readonly weight: Parameter;
  private readonly bias: Parameter;
  private readonly stride: number;
  private readonly padding: readonly [number, number];
  /** Whether the padding is what TensorFlow calls `same`, which tfjs does without a padded copy. */
  private readonly same: boolean;

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
    this.same = stride === 1 && this.padding.every((zeros) => 2 * zeros === kernelSize - 1);
  }

  /**
   * @param x [rows, height, width, inChannels]
   * @param shift added to the result besides the bias, [1, outChannels]
   * @returns [rows, (height + padding - kernel) / stride + 1, likewise, outChannels]; gradients flow to `x` alone
   */
  forward(x: tf.Tensor4D, shift?: tf.Tensor2D): tf.Tensor4D {
    return tf.tidy(() => {
      const constants = {
        filter: this.weight.kept,
        bias: shift ? tf.add(this.bias.value, tf.reshape(shift, [this.outChannels])) : this.bias.value,
      };
      const [before, after] = this.padding;
      return fused(
        'P2pConv2D',
        { inputs: { x }, constants, attributes: { stride: this.stride, before, after } },
        (inputs) => {
          // Not as part of the bias: tfjs's wasm kernel packs the filter anew for a bias that it does not know.
          const y = this.convolve(this.same ? inputs.x : this.pad(inputs.x));
          return shift ? tf.add(y, shift) : y;
        },
      );
    });
  }

  /** tfjs-node knows no other padding than `same` and `valid`. */
  private pad(x: tf.Tensor4D): tf.Tensor4D {
    const [before, after] = this.padding;
    return before + after > 0
      ? tf.pad(x, [
          [0, 0],
          [before, after],
          [before, after],
          [0, 0],
        ])
      : x;
  }

  /**
   * With a gradient for `x` alone: weights are fixed here, and tfjs's own gradient of a fused convolution would work
   * out theirs too, for which the wasm backend has no kernel.
   */
  private convolve(x: tf.Tensor4D): tf.Tensor4D {
    const filter = (): tf.Tensor4D => this.weight.value as tf.Tensor4D;
    const strides = this.stride;
    const pad = this.same ? 'same' : 'valid';
    return tf.customGrad((input) => ({
      value: tf.fused.conv2d({ x: input as tf.Tensor4D, filter: filter(), bias: this.bias.value, strides, pad }),
      gradFunc: (dy) => tf.conv2dTranspose(dy as tf.Tensor4D, filter(), x.shape, strides, pad),
    }))(x) as tf.Tensor4D;
  }
}
