import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from './attend';
import type { FeatureSite } from './controller';
import { callOnFeatures } from './hooks';

/**
 * Passes features at one place in the network through the controller.
 *
 * @param x [rows, height, width, channels]
 * @returns the features to continue with: `x` itself if the controller does not want them
 */
export function features(x: tf.Tensor4D, site: FeatureSite, control?: AttentionControl): tf.Tensor4D {
  const controller = control?.controller;
  if (!controller?.wantsFeatures) return x;
  const [, height, width] = x.shape;
  const call = { ...control!.evaluation, site, grid: { height, width } };
  if (!controller.wantsFeatures(call)) return x;
  // Clones, because a controller may keep the tensor it is given, or return one that it keeps.
  return tf.tidy(() => tf.clone(callOnFeatures(controller, tf.clone(x), call)));
}
