import type { TokenizedPrompt } from '../../text/tokenizer';
import { type PerWord, perWord, tokensInEach } from '../../text/words';

/** A part of a run, as fractions of its steps: 0.8 is from the start to 0.8, [0.2, 0.8] from 0.2 to 0.8. */
export type StepRange = number | readonly [from: number, to: number];

/** A range for all targets, or one for each. */
export interface TargetRanges {
  /** For targets without a range of their own (default: the whole run, as in the authors' code). */
  readonly default?: StepRange;
  /** For each target, in their order. */
  readonly targets?: readonly StepRange[];
}

/**
 * When targets take something from the source: a range for all tokens of a target, and optional ranges for the tokens
 * of some words.
 */
export type Injection =
  | StepRange
  | (TargetRanges & {
      /** Words of the targets. If a token has two ranges, the later one applies. */
      readonly words?: PerWord<StepRange>;
    });

/** The end of a range of steps. */
export function endOf(range: StepRange): number {
  return typeof range === 'number' ? range : range[1];
}

/**
 * Whether a step lies in a range. What fractions come to is truncated, not rounded, as in the authors' code.
 *
 * @param steps what the fractions are of: the run's steps, or one more in the authors' table for cross-attention
 * @throws if the range is not 0 <= from <= to <= 1
 */
export function isDuring(range: StepRange, step: number, steps: number): boolean {
  const [from, to] = typeof range === 'number' ? [0, range] : range;
  if (!(from >= 0 && from <= to && to <= 1)) {
    throw new RangeError(
      `A range of steps is a fraction from 0 to 1, or two that rise, such as [0.2, 0.8]; this is ${JSON.stringify(range)}.`,
    );
  }
  return Math.trunc(from * steps) <= step && step < Math.trunc(to * steps);
}

/**
 * For each target, the range of each of its tokens.
 *
 * @param usual the range of a token that belongs to none of the words (default: its target's)
 * @throws if no target has one of the words, or a range is out of bounds
 */
export function tokenRanges(
  targets: readonly TokenizedPrompt[],
  injection: Injection,
  usual = (target: number, _token: number): StepRange => rangeOf(injection, target),
): StepRange[][] {
  const words = isRange(injection) ? {} : (injection.words ?? {});
  const ranges = targets.map(({ ids }, target) => ids.map((_, token) => usual(target, token)));
  for (const [word, range] of perWord(words)) {
    tokensInEach(targets, word).forEach((tokens, target) =>
      tokens.forEach((token) => {
        ranges[target][token] = range;
      }),
    );
  }
  checkRanges(injection);
  ranges.flat().forEach((range) => isDuring(range, 0, 1));
  return ranges;
}

/** The range of a target, counted from 0, ignoring words with a range of their own. */
export function rangeOf(injection: Injection, target: number): StepRange {
  return isRange(injection) ? injection : (injection.targets?.[target] ?? injection.default ?? 1);
}

/** @throws RangeError if one of the targets' ranges is out of bounds */
export function checkRanges(injection: Injection): void {
  const ranges = isRange(injection) ? [injection] : [injection.default ?? 1, ...(injection.targets ?? [])];
  ranges.forEach((range) => isDuring(range, 0, 1));
}

/** For each token of a target, 1 if it is injected at a step, else 0. `target` counts from 0. */
export type InjectionSchedule = (target: number, step: number, steps: number) => Float32Array;

/**
 * The authors' `get_time_words_attention_alpha`. Its table has one row more than the run has steps, so fractions are of
 * steps + 1: 0.8 of 50 steps is steps 0 to 39.
 *
 * @throws as {@link tokenRanges}
 */
export function injectionSchedule(targets: readonly TokenizedPrompt[], injection: Injection): InjectionSchedule {
  const ranges = tokenRanges(targets, injection);
  return (target, step, steps) =>
    Float32Array.from(ranges[target], (range) => Number(isDuring(range, step, steps + 1)));
}

function isRange(injection: Injection): injection is StepRange {
  return typeof injection === 'number' || Array.isArray(injection);
}
