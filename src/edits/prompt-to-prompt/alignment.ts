import type { Piece, TokenizedPrompt } from '../../text/tokenizer';
import { isSeveralWords, isUnspaced, isWord, type Span, spacedWords, withoutPunctuation } from '../../text/words';

/** Which source tokens each target token takes its attention from. */
export interface Alignment {
  /** The number of tokens in either context, including padding. */
  readonly length: number;
  /** [length, length], row-major: the share of source token s (row) that target token t (column) takes. */
  readonly matrix: Float32Array;
  /** [length], 1 where a target token has a source, 0 where it is new and keeps its own attention. */
  readonly aligned: Float32Array;
}

/**
 * Which source tokens are taken by the tokens after a swap that changes the number of tokens. `corrected`: each word
 * takes the same word, the end of the text takes the end of the text, and padding takes its own position. `authors`:
 * the same between two swaps, but after the last one position t takes source position t, so that every word takes a
 * neighbour's map. The authors' code does this; it is here only for comparison.
 */
export type ReplacementRule = 'corrected' | 'authors';

/**
 * Aligns two prompts word by word, for swapped words (the authors' `get_replacement_mapper`). Words are separated by
 * spaces. If a word of n tokens is swapped for another of n, they map one to one; if it is swapped for one of m, each
 * of the m target tokens takes all n source tokens times 1/m. Punctuation around a swapped word is not part of it: it
 * takes the same punctuation around the source's word, or counts as new.
 *
 * @throws if the prompts do not have the same number of words
 */
export function replacement(
  source: TokenizedPrompt,
  target: TokenizedPrompt,
  rule: ReplacementRule = 'corrected',
): Alignment {
  const pairs = wordPairs(source, target);
  const alignment = empty(source, target);
  if (rule === 'authors') replaceAsAuthors(pairs, alignment);
  else replaceCorrected(pairs, source, target, alignment);
  return alignment;
}

function replaceCorrected(
  pairs: readonly WordPair[],
  source: TokenizedPrompt,
  target: TokenizedPrompt,
  alignment: Alignment,
): void {
  takeEach({ start: 0, end: 1 }, { start: 0, end: 1 }, alignment);
  for (const pair of pairs)
    for (const part of pair.swapped ? partsOf(pair, source, target) : [pair])
      takeAll(part.source, part.target, alignment);
  takeEach(endOf(source), endOf(target), alignment);
  const padding = { start: target.length, end: alignment.length };
  takeEach(padding, padding, alignment);
}

function replaceAsAuthors(pairs: readonly WordPair[], alignment: Alignment): void {
  let [s, t] = [0, 0];
  for (const { source, target } of pairs.filter(({ swapped }) => swapped)) {
    takeEach({ start: s, end: source.start }, { start: t, end: target.start }, alignment);
    takeAll(source, target, alignment);
    [s, t] = [source.end, target.end];
  }
  const rest = { start: t, end: alignment.length - Math.max(0, s - t) };
  takeEach(rest, rest, alignment);
  alignment.aligned.fill(1);
}

/**
 * Aligns two prompts token by token, for words added or removed (the authors' `get_refinement_mapper`):
 * Needleman-Wunsch with gap 0, match 1, mismatch -1. The traceback breaks ties in this order: a target token without a
 * source, a source token without a target, a match.
 */
export function refinement(source: TokenizedPrompt, target: TokenizedPrompt): Alignment {
  const alignment = empty(source, target);
  const matches = matchTokens(source.ids.slice(0, source.length), target.ids.slice(0, target.length));
  for (let t = 0; t < alignment.length; t += 1) {
    const s = t < target.length ? matches[t] : t;
    if (s !== undefined) take(s, t, 1, alignment);
  }
  return alignment;
}

/** For each target token, including padding, the identical source token that it takes whole, if there is one. */
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
 * `replace`: words are swapped one for one. `redescribe`: the same, but only words that describe a thing are swapped,
 * such as its colour, and the thing stays. `refine`: words are added or removed. `reweight`: the prompts are the same,
 * so only the weights of words can differ.
 */
export const EDIT_KINDS = ['replace', 'redescribe', 'refine', 'reweight'] as const;
export type EditKind = (typeof EDIT_KINDS)[number];

/**
 * Reweight if target and source have the same tokens. Refine if words were added or removed, if only punctuation
 * differs, or if the text that differs is written without spaces, so that its words cannot be told apart. Replace if
 * the target is the source with some words swapped: the same number of words, and no shift of them would match more.
 * Redescribe if, besides, every word that was swapped in is one of `describing`.
 *
 * @param describing words in lower case
 */
export function editKind(
  source: TokenizedPrompt,
  target: TokenizedPrompt,
  describing: readonly string[] = [],
): EditKind {
  if (target.ids.every((id, t) => id === source.ids[t])) return 'reweight';
  if (withoutPunctuation(source.text) === withoutPunctuation(target.text)) return 'refine';
  const [before, after] = [source, target].map((prompt) =>
    spacedWords(prompt).map((word) => keyOf(prompt, coreOf(prompt, word))),
  );
  if (before.length !== after.length) return 'refine';
  const swapped = wordPairs(source, target).filter((pair) => pair.swapped);
  if (swapped.some((pair) => isUnsplit(source, pair.source) || isUnsplit(target, pair.target))) return 'refine';
  const inPlace = before.filter((word, i) => word === after[i]).length;
  const shifted = matchTokens(before, after).filter((s) => s !== undefined).length;
  if (inPlace !== shifted) return 'refine';
  return swapped.every((pair) => describing.includes(coreText(target, pair.target))) ? 'redescribe' : 'replace';
}

/** A token of a target prompt, and the source tokens it takes its attention from. */
export interface AlignedToken {
  readonly position: number;
  /** The part of the prompt that it stands for; '' for the start and end tokens. */
  readonly text: string;
  /** Empty for a new token, which keeps its own attention. */
  readonly sources: readonly { readonly position: number; readonly text: string; readonly share: number }[];
}

/** The target's tokens with the source tokens whose attention they take, from the start to the end of the text. */
export function alignedTokens(
  source: TokenizedPrompt,
  target: TokenizedPrompt,
  { length, matrix }: Alignment,
): AlignedToken[] {
  const [before, after] = [tokenTexts(source), tokenTexts(target)];
  return Array.from({ length: target.length }, (_, t) => ({
    position: t,
    text: after[t],
    sources: Array.from({ length }, (_, s) => ({ position: s, text: before[s], share: matrix[s * length + t] })).filter(
      ({ share }) => share > 0,
    ),
  }));
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

/** Spans in the same place of source and target. */
interface Pair {
  readonly source: Span;
  readonly target: Span;
}

interface WordPair extends Pair {
  readonly swapped: boolean;
}

/** Pairs the words of both prompts in order. */
function wordPairs(source: TokenizedPrompt, target: TokenizedPrompt): WordPair[] {
  const before = spacedWords(source);
  const after = spacedWords(target);
  if (before.length !== after.length) {
    throw new Error(
      `Replace needs prompts with the same number of words, but "${source.text}" has ${before.length} and "${target.text}" has ${after.length}. Use refine to add words or to leave some out.`,
    );
  }
  return before.map((word, i) => ({
    source: word,
    target: after[i],
    swapped: keyOf(source, word) !== keyOf(target, after[i]),
  }));
}

/** The words themselves, and the punctuation before and after them if it is the same. */
function partsOf(words: Pair, source: TokenizedPrompt, target: TokenizedPrompt): Pair[] {
  const core = { source: coreOf(source, words.source), target: coreOf(target, words.target) };
  const around = [
    {
      source: { start: words.source.start, end: core.source.start },
      target: { start: words.target.start, end: core.target.start },
    },
    {
      source: { start: core.source.end, end: words.source.end },
      target: { start: core.target.end, end: words.target.end },
    },
  ];
  return [core, ...around.filter((pair) => keyOf(source, pair.source) === keyOf(target, pair.target))];
}

/** A word without the punctuation around it; all of it if it is nothing but punctuation. */
function coreOf({ pieces }: TokenizedPrompt, word: Span): Span {
  const words = piecesIn(pieces, word).filter(({ text }) => isWord(text));
  return words.length > 0 ? { start: words[0].start, end: words[words.length - 1].end } : word;
}

function coreText(prompt: TokenizedPrompt, word: Span): string {
  return textOf(prompt, coreOf(prompt, word)).toLowerCase();
}

/** Whether a word, in a script without spaces, is really several words or the whole prompt. */
function isUnsplit(prompt: TokenizedPrompt, word: Span): boolean {
  const text = textOf(prompt, word);
  return isUnspaced(text) && (spacedWords(prompt).length === 1 || isSeveralWords(text));
}

function textOf({ pieces }: TokenizedPrompt, span: Span): string {
  return piecesIn(pieces, span)
    .map(({ text }) => text)
    .join('');
}

function piecesIn(pieces: readonly Piece[], { start, end }: Span): Piece[] {
  return pieces.filter((piece) => piece.start >= start && piece.end <= end);
}

function endOf({ length }: TokenizedPrompt): Span {
  return { start: length - 1, end: length };
}

/** Each target token takes all source tokens; if there are equally many, only the one at its position. */
function takeAll(source: Span, target: Span, alignment: Alignment): void {
  const count = target.end - target.start;
  if (count === source.end - source.start) return takeEach(source, target, alignment);
  for (let s = source.start; s < source.end; s += 1)
    for (let t = target.start; t < target.end; t += 1) take(s, t, 1 / count, alignment);
}

/** Maps tokens one to one until either span ends. */
function takeEach(source: Span, target: Span, alignment: Alignment): void {
  for (let [s, t] = [source.start, target.start]; s < source.end && t < target.end; s += 1, t += 1)
    take(s, t, 1, alignment);
}

function take(s: number, t: number, share: number, { length, matrix, aligned }: Alignment): void {
  matrix[s * length + t] = share;
  aligned[t] = 1;
}

/** The text that each token stands for. */
function tokenTexts({ ids, pieces, offsets }: TokenizedPrompt): string[] {
  const texts = ids.map(() => '');
  for (const { text, start, end } of pieces)
    for (let token = start; token < end; token += 1) texts[token] = offsets ? text.slice(...offsets[token]) : text;
  return texts;
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
