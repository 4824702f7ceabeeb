import type { TokenizedPrompt } from '../../text/tokenizer';
import { type Span, spacedWords } from '../../text/words';

/** Which source tokens' attention each target token takes. */
export interface Alignment {
  /** Tokens of either context, padding included. */
  readonly length: number;
  /** [length, length] in rows: the share of source token s (row) that target token t (column) takes. */
  readonly matrix: Float32Array;
  /** [length], 1 where a target token has a source, 0 where it is new and keeps its own attention. */
  readonly aligned: Float32Array;
}

/**
 * Aligns two prompts word by word, for a swap of words (the authors' `get_replacement_mapper`). Words are what spaces
 * separate. A word of n tokens swapped for one of n passes them on one to one; swapped for one of m, each of the m
 * target tokens takes all n source tokens times 1/m. Between two swaps tokens follow each other; after the last one,
 * position t takes source position t, as the authors' code has it, even where a swap changed the number of tokens.
 *
 * @throws if the prompts do not have the same number of words
 */
export function replacement(source: TokenizedPrompt, target: TokenizedPrompt): Alignment {
  const alignment = empty(source, target);
  const { length } = alignment;
  const take = (s: number, t: number, share: number): void => {
    alignment.matrix[s * length + t] = share;
  };

  let s = 0;
  let t = 0;
  for (const swap of swappedWords(source, target)) {
    for (; s < swap.source.start; s += 1, t += 1) take(s, t, 1);
    const n = swap.source.end - swap.source.start;
    const m = swap.target.end - swap.target.start;
    for (let i = 0; i < n; i += 1) {
      if (n === m) take(s + i, t + i, 1);
      else for (let j = 0; j < m; j += 1) take(s + i, t + j, 1 / m);
    }
    s += n;
    t += m;
  }
  for (; s < length && t < length; s += 1, t += 1) take(t, t, 1);
  alignment.aligned.fill(1);
  return alignment;
}

/**
 * Aligns two prompts token by token, for words added or left out (the authors' `get_refinement_mapper`):
 * Needleman-Wunsch with gap 0, match 1, mismatch -1, and on equal scores a target token without a source before a
 * source token without a target before a match.
 */
export function refinement(source: TokenizedPrompt, target: TokenizedPrompt): Alignment {
  const alignment = empty(source, target);
  const { length, matrix, aligned } = alignment;
  const matches = matchTokens(source.ids.slice(0, source.length), target.ids.slice(0, target.length));
  for (let t = 0; t < length; t += 1) {
    const s = t < target.length ? matches[t] : t;
    if (s === undefined) continue;
    matrix[s * length + t] = 1;
    aligned[t] = 1;
  }
  return alignment;
}

/**
 * For each token of the target the source's token that it takes whole and that is the same, if there is one; padding
 * included.
 */
export function sharedTokens(
  source: TokenizedPrompt,
  target: TokenizedPrompt,
  { length, matrix, aligned }: Alignment,
): (number | undefined)[] {
  return target.ids.map((id, t) => {
    const from = source.ids.findIndex((other, s) => other === id && matrix[s * length + t] === 1);
    return aligned[t] === 1 && from >= 0 ? from : undefined;
  });
}

/**
 * `replace` where words are swapped one for one, `refine` where words are added or left out, `reweight` where the
 * prompts are the same, so that only the weights of words may differ.
 */
export type EditKind = 'replace' | 'refine' | 'reweight';

/**
 * Reweight where target and source have the same tokens. Replace where the target is the source with some words
 * swapped: as many words, and no shift of them would match more. Refine where words were added or left out.
 */
export function editKind(source: TokenizedPrompt, target: TokenizedPrompt): EditKind {
  if (target.ids.every((id, t) => id === source.ids[t])) return 'reweight';
  const before = wordKeys(source);
  const after = wordKeys(target);
  if (before.length !== after.length) return 'refine';
  const inPlace = before.filter((word, i) => word === after[i]).length;
  const shifted = matchTokens(before, after).filter((s) => s !== undefined).length;
  return inPlace === shifted ? 'replace' : 'refine';
}

function empty(source: TokenizedPrompt, target: TokenizedPrompt): Alignment {
  const length = source.ids.length;
  if (target.ids.length !== length) {
    throw new Error(
      `The prompts "${source.text}" and "${target.text}" are padded to different lengths, ${length} and ${target.ids.length}.`,
    );
  }
  return { length, matrix: new Float32Array(length * length), aligned: new Float32Array(length) };
}

/** The words that differ, in order. */
function swappedWords(source: TokenizedPrompt, target: TokenizedPrompt): { source: Span; target: Span }[] {
  const before = spacedWords(source);
  const after = spacedWords(target);
  if (before.length !== after.length) {
    throw new Error(
      `Replace needs prompts with the same number of words, but "${source.text}" has ${before.length} and "${target.text}" has ${after.length}. Use refine to add words or to leave some out.`,
    );
  }
  return before
    .map((span, i) => ({ source: span, target: after[i] }))
    .filter((pair) => keyOf(source, pair.source) !== keyOf(target, pair.target));
}

function wordKeys(prompt: TokenizedPrompt): string[] {
  return spacedWords(prompt).map((span) => keyOf(prompt, span));
}

function keyOf({ ids }: TokenizedPrompt, { start, end }: Span): string {
  return ids.slice(start, end).join(' ');
}

/** Needleman-Wunsch. @returns for each item of `target` the position of its match in `source`, or undefined */
function matchTokens<T>(source: readonly T[], target: readonly T[]): (number | undefined)[] {
  const scores = Array.from({ length: source.length + 1 }, () => new Int32Array(target.length + 1));
  for (let i = 1; i <= source.length; i += 1) {
    for (let j = 1; j <= target.length; j += 1) {
      const diagonal = scores[i - 1][j - 1] + (source[i - 1] === target[j - 1] ? 1 : -1);
      scores[i][j] = Math.max(scores[i][j - 1], scores[i - 1][j], diagonal);
    }
  }
  const matches: (number | undefined)[] = target.map(() => undefined);
  let i = source.length;
  let j = target.length;
  while (i > 0 && j > 0) {
    const score = scores[i][j];
    if (score === scores[i][j - 1]) j -= 1;
    else if (score === scores[i - 1][j]) i -= 1;
    else matches[--j] = --i;
  }
  return matches;
}
