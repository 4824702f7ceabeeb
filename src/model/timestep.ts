import * as tf from '@tensorflow/tfjs';
import { silu } from '../nn/activations';
import { Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';

export interface TimestepOptions {
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
}

/**
 * Sines and cosines of the timestep at frequencies from 1 down to 1/10000 (diffusers `get_timestep_embedding`).
 *
 * @param timestep such as 981; may be fractional
 * @param size how many numbers; must be even
 * @returns [1, size]
 */
export function timestepSinusoids(
  timestep: number,
  size: number,
  { flipSinToCos, freqShift }: TimestepOptions,
): tf.Tensor2D {
  const half = size / 2;
  // Rounded to float32 where PyTorch does: at timestep 1000, one bit of the frequency changes the angle by 6e-5.
  const angles = Array.from({ length: half }, (_, i) => {
    const exponent = Math.fround(Math.fround(-Math.log(10000) * i) / Math.fround(half - freqShift));
    return Math.fround(timestep * Math.fround(Math.exp(exponent)));
  });
  const sines = angles.map(Math.sin);
  const cosines = angles.map(Math.cos);
  return tf.tensor2d([flipSinToCos ? [...cosines, ...sines] : [...sines, ...cosines]]);
}

/** The learned embedding of the timestep's sinusoids (diffusers `TimestepEmbedding`). */
export class TimestepEmbedding {
  private readonly linear1: Linear;
  private readonly linear2: Linear;

  constructor(scope: Scope, inFeatures: number, outFeatures: number) {
    this.linear1 = new Linear(scope.at('linear_1'), inFeatures, outFeatures);
    this.linear2 = new Linear(scope.at('linear_2'), outFeatures, outFeatures);
  }

  /** @param sinusoids [1, inFeatures] @returns [1, outFeatures] */
  forward(sinusoids: tf.Tensor2D): tf.Tensor2D {
    return sequence(sinusoids, this.linear1, silu, this.linear2);
  }
}
