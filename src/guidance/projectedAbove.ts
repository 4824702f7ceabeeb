import { adaptiveProjected } from './adaptiveProjected';
import { classifierFree } from './classifierFree';
import type { Guidance } from './guidance';
import { MAX_GUIDANCE } from './maxGuidance';

/**
 * {@link classifierFree} guidance up to a scale that a model tolerates, and {@link adaptiveProjected} above it: the
 * part that is parallel to the picture, which saturates colours, is guided the less, the more the scale exceeds the
 * limit. There is no jump at the limit; from twice the limit less one on, that part is left out.
 *
 * @param limit at 1 all guidance is projected wholly, at 100 none is
 * @throws RangeError if a number is not finite
 */
export function projectedAbove(limit: number, scale: number): Guidance {
  if (!Number.isFinite(limit)) throw new RangeError(`projectAbove is ${limit}: it must be a finite number.`);
  if (limit >= MAX_GUIDANCE || scale <= Math.max(1, limit)) return classifierFree(scale);
  const ofParallel = Math.max(0, limit - 1 - (scale - limit));
  return adaptiveProjected(scale, { eta: ofParallel / (scale - 1) });
}
