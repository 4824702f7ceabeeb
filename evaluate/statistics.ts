/** A figure, the bounds of its 95 % interval, and its number of samples. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** The share of hits, with Wilson's interval. */
export function wilson(hits: readonly boolean[]): Estimate {
  const n = hits.length;
  const value = mean(hits.map(Number));
  const z = 1.96;
  const middle = (value + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((value * (1 - value)) / n + z ** 2 / (4 * n ** 2));
  // At 0 and 1 a bound is the value itself, up to rounding.
  return {
    value,
    low: Math.max(0, Math.min(value, middle - half)),
    high: Math.min(1, Math.max(value, middle + half)),
    n,
  };
}

/**
 * Any figure of samples, with its bootstrap percentile interval.
 *
 * @param groups samples that belong together, such as the edits of one source, and are resampled together
 */
export function bootstrap<T>(
  groups: readonly (readonly T[])[],
  figure: (samples: readonly T[]) => number,
  draws = 1000,
): Estimate {
  const dice = random(groups.length);
  const drawn = Array.from({ length: draws }, () =>
    figure(groups.flatMap(() => groups[Math.floor(dice() * groups.length)])),
  )
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const at = (share: number): number => drawn[Math.round(share * (drawn.length - 1))] ?? NaN;
  return { value: figure(groups.flat()), low: at(0.025), high: at(0.975), n: groups.flat().length };
}

/**
 * Whether amounts grow from the first to the last. No step down may be larger than a twentieth of the largest amount:
 * the judge counts whole pixels, and one more or less does not matter.
 */
export function grows(amounts: readonly number[]): boolean {
  const tolerance = Math.max(...amounts) / 20;
  return (
    amounts[amounts.length - 1] > amounts[0] &&
    amounts.every((amount, i) => i === 0 || amount >= amounts[i - 1] - tolerance)
  );
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Deterministic random numbers in [0, 1) (Marsaglia's xorshift32). */
function random(seed: number): () => number {
  let state = (seed + 1) * 2654435761;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
