import type * as tf from '@tensorflow/tfjs';
import { Conv2d } from '../nn/conv2d';
import type { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import { upsampleNearest } from '../nn/upsample';

/** Halves height and width with a convolution of stride 2 (diffusers `Downsample2D`). */
export class Downsample2D {
  private readonly conv: Conv2d;

  /** @param padding zeros on every side; 0 means the VAE's padding: one row below and one column on the right */
  constructor(scope: Scope, channels: number, padding: number) {
    this.conv = new Conv2d(scope.at('conv'), channels, channels, 3, {
      stride: 2,
      padding: padding === 0 ? [0, 1] : padding,
    });
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.forward(x);
  }
}

/** Doubles height and width, or enlarges to a given size, then convolves (diffusers `Upsample2D`). */
export class Upsample2D {
  private readonly conv: Conv2d;

  constructor(scope: Scope, channels: number) {
    this.conv = new Conv2d(scope.at('conv'), channels, channels, 3, { padding: 1 });
  }

  /** @param size height and width of the result, if they are not twice the input's */
  forward(x: tf.Tensor4D, size?: readonly [number, number]): tf.Tensor4D {
    return sequence(x, (pixels) => upsampleNearest(pixels, size), this.conv);
  }
}
