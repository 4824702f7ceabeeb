import * as tf from '@tensorflow/tfjs';
import { Conv2d } from '../nn/conv2d';
import { GroupNorm } from '../nn/groupNorm';
import { Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';

export interface ResnetOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Features of the timestep embedding; absent in the VAE, which has no timesteps. */
  readonly timeFeatures?: number;
  readonly groups: number;
  readonly eps: number;
  /** The sum is divided by this. Default: 1. */
  readonly outputScaleFactor?: number;
}

/** Two convolutions with a residual connection around them (diffusers `ResnetBlock2D`). */
export class ResnetBlock2D {
  private readonly norm1: GroupNorm;
  private readonly conv1: Conv2d;
  private readonly timeEmbProj?: Linear;
  private readonly norm2: GroupNorm;
  private readonly conv2: Conv2d;
  private readonly convShortcut?: Conv2d;
  private readonly outputScaleFactor: number;

  constructor(
    scope: Scope,
    { inChannels, outChannels, timeFeatures, groups, eps, outputScaleFactor = 1 }: ResnetOptions,
  ) {
    this.norm1 = new GroupNorm(scope.at('norm1'), groups, inChannels, eps, { activation: 'silu' });
    this.conv1 = new Conv2d(scope.at('conv1'), inChannels, outChannels, 3, { padding: 1 });
    if (timeFeatures) this.timeEmbProj = new Linear(scope.at('time_emb_proj'), timeFeatures, outChannels);
    this.norm2 = new GroupNorm(scope.at('norm2'), groups, outChannels, eps, { activation: 'silu' });
    this.conv2 = new Conv2d(scope.at('conv2'), outChannels, outChannels, 3, { padding: 1 });
    if (inChannels !== outChannels)
      this.convShortcut = new Conv2d(scope.at('conv_shortcut'), inChannels, outChannels, 1);
    this.outputScaleFactor = outputScaleFactor;
  }

  /**
   * @param x [rows, height, width, inChannels]
   * @param time silu of the timestep embedding, [1, timeFeatures]
   * @returns [rows, height, width, outChannels]
   */
  forward(x: tf.Tensor4D, time?: tf.Tensor2D): tf.Tensor4D {
    return tf.tidy(() => {
      const hidden = sequence(
        x,
        this.norm1,
        (h) => this.conv1.forward(h, time && this.timeEmbProj?.forward(time)),
        this.norm2,
        this.conv2,
      );
      const shortcut = this.convShortcut ? this.convShortcut.forward(x) : x;
      const sum = tf.add(shortcut, hidden) as tf.Tensor4D;
      return this.outputScaleFactor === 1 ? sum : tf.div(sum, this.outputScaleFactor);
    });
  }
}
