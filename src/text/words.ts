import type { TokenizedPrompt } from './tokenizer';

/**
 * A word or phrase of a prompt: `'bicycle'`, `'blossom tree'`. It stands for every place where the prompt has it;
 * `'cat#2'` or `{ word: 'cat', index: 2 }` for the second one only. Case does not matter, nor the punctuation around a
 * word.
 */
export type Word = string | { readonly word: string; readonly index: number };

/** Something for each of some words: a record where strings do, or a list of pairs. */
export type PerWord<T> = Readonly<Record<string, T>> | readonly (readonly [Word, T])[];

export function perWord<T>(entries: PerWord<T>): readonly (readonly [Word, T])[] {
  return Array.isArray(entries) ? entries : Object.entries(entries);
}

/** A stretch of tokens: [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The positions of a word's tokens. @throws if the prompt does not have the word; the error lists those it has */
export function tokensOf(prompt: TokenizedPrompt, word: Word): number[] {
  return tokensInEach([prompt], word)[0];
}

/**
 * The positions of a word's tokens in each of some prompts. @throws if none of them has the word; the error lists those
 * they have
 */
export function tokensInEach(prompts: readonly TokenizedPrompt[], word: Word): number[][] {
  const positions = prompts.map((prompt) => findTokens(prompt, word));
  if (positions.some((tokens) => tokens.length > 0)) return positions;
  const name = typeof word === 'string' ? word : `${word.word}#${word.index}`;
  throw new Error([`No prompt has the word "${name}".`, ...prompts.map(describe)].join(' '));
}

/**
 * The words of a prompt, punctuation included: what spaces separate. Words cut off with the end of a long prompt are
 * not among them.
 */
export function spacedWords({ text, pieces }: TokenizedPrompt): Span[] {
  const words: Span[] = [];
  let next = 0;
  for (const word of split(text)) {
    const last = endOfRun(pieces, next, word);
    if (last === next) break;
    words.push({ start: pieces[next].start, end: pieces[last - 1].end });
    next = last;
  }
  return words;
}

function findTokens(prompt: TokenizedPrompt, word: Word): number[] {
  if (typeof word !== 'string') return tokensAt(placesOf(prompt, word.word), word.index);
  const places = placesOf(prompt, word);
  const [, plain, index] = /^(.+)#(\d+)$/.exec(word) ?? [];
  if (places.length > 0 || !plain) return tokensAt(places);
  return tokensAt(placesOf(prompt, plain), Number(index));
}

/** The tokens of all places, or of the one counted from 1. */
function tokensAt(places: readonly Span[], index?: number): number[] {
  const chosen = index === undefined ? places : places.slice(index - 1, index);
  return chosen.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
}

/** Where the phrase is in the prompt: runs of pieces that spell its words one after the other. */
function placesOf({ pieces }: TokenizedPrompt, phrase: string): Span[] {
  const words = split(phrase);
  const places: Span[] = [];
  for (let first = 0; words.length > 0 && first < pieces.length; ) {
    let next: number | undefined = first;
    for (const word of words) {
      const end: number = endOfRun(pieces, next, word);
      next = spell(pieces.slice(next, end)) === word ? end : undefined;
      if (next === undefined) break;
    }
    if (next === undefined) {
      first += 1;
    } else {
      places.push({ start: pieces[first].start, end: pieces[next - 1].end });
      first = next;
    }
  }
  return places;
}

/** The end of the shortest run of pieces from `first` that is as long as the word, or of all that are left. */
function endOfRun(pieces: TokenizedPrompt['pieces'], first: number, word: string): number {
  let end = first;
  for (let length = 0; end < pieces.length && length < word.length; end += 1)
    length += plainly(pieces[end].text).length;
  return end;
}

function spell(pieces: TokenizedPrompt['pieces']): string {
  return pieces.map(({ text }) => plainly(text)).join('');
}

function split(text: string): string[] {
  return plainly(text)
    .split(/\s+/u)
    .filter((word) => word !== '');
}

/** As the tokenizer sees it, which lowers a Greek sigma without regard to its place in the word. */
function plainly(text: string): string {
  return text.normalize('NFC').replaceAll('Σ', 'σ').toLowerCase();
}

function describe({ text, pieces, lost }: TokenizedPrompt): string {
  const words = new Set(pieces.map((piece) => plainly(piece.text)).filter((word) => /[^\p{P}\s]/u.test(word)));
  const cut = lost ? ` Cut off, being too long: "${lost}".` : '';
  return `"${text}" has: ${[...words].join(', ') || 'no words'}.${cut}`;
}
