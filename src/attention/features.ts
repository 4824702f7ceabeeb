import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from './attend';
import type { FeatureSite } from './controller';
import { callOnFeatures } from './hooks';

/**
 * Features as a controller wants them, at one of its places in the network.
 *
 * @param x [rows, height, width, channels]
 * @returns `x` itself where nobody asks for it
 */
export function features(x: tf.Tensor4D, site: FeatureSite, control?: AttentionControl): tf.Tensor4D {
  const controller = control?.controller;
  if (!controller?.wantsFeatures) return x;
  const [, height, width] = x.shape;
  const call = { ...control!.evaluation, site, grid: { height, width } };
  if (!controller.wantsFeatures(call)) return x;
  // Clones, because a controller may keep what it is given, or give what it keeps.
  return tf.tidy(() => tf.clone(callOnFeatures(controller, tf.clone(x), call)));
}
