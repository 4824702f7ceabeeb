import type { Defaults, StepRange } from 'prompt-to-prompt-tfjs';
import type { EditKind, Recipe, Shares, SharesByKind } from './protocol';

/**
 * The shares for the one slider, from 0 (a fresh picture) through 0.5 (the model's own shares) to 1 (the same layout).
 */
export function sharesAt(keep: number, { cross, self, context }: Shares): Shares {
  const along = (middle: number, most: number): number => {
    const value = keep <= 0.5 ? middle * keep * 2 : middle + (Math.max(middle, most) - middle) * (keep - 0.5) * 2;
    return Math.round(value * 100) / 100;
  };
  return { cross: along(cross, 1), self: along(self, 0.9), context: along(context, 0.5) };
}

/** A recipe's shares: the slider's, except for those set individually. */
export function sharesOf({ keep, cross, self, context }: Recipe, kind: EditKind, shares: SharesByKind): Shares {
  const at = sharesAt(keep, shares[kind]);
  return { cross: cross ?? at.cross, self: self ?? at.self, context: context ?? at.context };
}

/** A model's shares from the first step on; a range counts up to its end. */
export function plainShares(shares: Defaults['shares']): SharesByKind {
  const end = (range: StepRange): number => (typeof range === 'number' ? range : range[1]);
  const of = (kind: EditKind): Shares => {
    const { cross, self, context } = shares[kind];
    return { cross: end(cross), self: end(self), context: end(context) };
  };
  return {
    replace: of('replace'),
    redescribe: of('redescribe'),
    refine: of('refine'),
    reweight: of('reweight'),
    describing: shares.describing,
  };
}
