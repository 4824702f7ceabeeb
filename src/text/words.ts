import type { TokenizedPrompt } from './tokenizer';

/**
 * A word or phrase of a prompt: `'bicycle'`, `'blossom tree'`. It means every occurrence in the prompt; `'cat#2'` or `{
 * word: 'cat', index: 2 }` means the second one only. Case and punctuation do not matter: `red haired` is in `a
 * red-haired man`. It must begin and end at word boundaries (`2` is not in `12` or `2.5`), except in scripts written
 * without spaces, such as Chinese.
 */
export type Word = string | { readonly word: string; readonly index: number };

/** A value for each of several words: a record if strings suffice, or a list of pairs. */
export type PerWord<T> = Readonly<Record<string, T>> | readonly (readonly [Word, T])[];

export function perWord<T>(entries: PerWord<T>): readonly (readonly [Word, T])[] {
  return Array.isArray(entries) ? entries : Object.entries(entries);
}

/** A range of tokens: [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The positions of a word's tokens. @throws if the prompt does not have the word; the error lists the words it has */
export function tokensOf(prompt: TokenizedPrompt, word: Word): number[] {
  return tokensInEach([prompt], word)[0];
}

/**
 * The positions of a word's tokens in each of several prompts.
 *
 * @param source a prompt in which the word alone is not enough: if only this one has it, the error says so
 * @throws if none of them has the word; the error lists the words they have
 */
export function tokensInEach(prompts: readonly TokenizedPrompt[], word: Word, source?: TokenizedPrompt): number[][] {
  const positions = prompts.map((prompt) => findTokens(prompt, word));
  if (positions.some((tokens) => tokens.length > 0)) return positions;
  const name = typeof word === 'string' ? word : `${word.word}#${word.index}`;
  const problem =
    source && findTokens(source, word).length > 0
      ? `Only the source has the word "${name}": give one of the target's.`
      : `No prompt has the word "${name}".`;
  throw new Error([problem, ...prompts.map(describe)].join(' '));
}

/**
 * The words of a prompt, separated by spaces, with their punctuation. Words truncated from a long prompt are not
 * included.
 */
export function spacedWords({ text, pieces }: TokenizedPrompt): Span[] {
  const words: Span[] = [];
  let next = 0;
  for (const word of split(plainly(text))) {
    const last = endOfRun(pieces, next, word);
    if (last === next) break;
    words.push({ start: pieces[next].start, end: pieces[last - 1].end });
    next = last;
  }
  return words;
}

/** A word of a prompt with its tokens, as listed in figures and errors. */
export interface PromptWord extends Span {
  /** In lower case. */
  readonly text: string;
  /** Its name: its text, or `cat#2` if the prompt has that word before. */
  readonly name: string;
}

/**
 * The words of a prompt, including numbers and emoji, without the punctuation around them. In scripts written without
 * spaces, a dictionary separates them. `red-haired` is two words, `2023` and `dog's` are one.
 */
export function wordsOf(prompt: TokenizedPrompt): PromptWord[] {
  const line = lineOf(prompt);
  return segmentsOf(line.text).map(([start, end]) => {
    const text = line.text.slice(start, end);
    const span = { start: line.tokens[start].start, end: line.tokens[end - 1].end };
    const before = placesOf(line, text).filter((place) => place.start < span.start).length;
    return { text, name: before > 0 ? `${text}#${before + 1}` : text, ...span };
  });
}

/** The words of a prompt, each once, that are not one token, in a tokenizer that has {@link Tokenizer.words}. */
export function unknownWords(prompt: TokenizedPrompt): string[] {
  const split = prompt.pieces.filter(({ start, end }) => end - start > 1);
  const words = wordsOf(prompt).filter((word) => split.some(({ start, end }) => start < word.end && word.start < end));
  return [...new Set(words.map(({ text }) => text))];
}

/** Whether a text has letters of a script written without spaces between words: Chinese, Japanese, Thai and others. */
export function isUnspaced(text: string): boolean {
  return UNSPACED.test(text);
}

/** Whether a text of such a script is more than one word. */
export function isSeveralWords(text: string): boolean {
  const segments = new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text);
  return [...segments].filter(({ isWordLike }) => isWordLike).length > 1;
}

/** A text without punctuation and spaces, in lower case. */
export function withoutPunctuation(text: string): string {
  return plainly(text).replace(PUNCTUATION, '');
}

/** Whether a text has a letter, digit or emoji, and so is more than punctuation. */
export function isWord(text: string): boolean {
  return WORD.test(text);
}

const LETTER = /[\p{L}\p{N}\p{M}]/u;
const WORD = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
const UNSPACED =
  /(?=\p{L})[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}]/u;
/** Whatever is not part of a word. A point or comma between digits belongs to the number. */
const PUNCTUATION =
  /(?!(?<=\p{N})[.,](?=\p{N}))[^\p{L}\p{N}\p{M}\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\u200d]/gu;
const NUMBER = /\p{N}+(?:[.,]\p{N}+)*/gu;

/** A prompt's pieces as one line in lower case, in which words are searched for. */
interface Line {
  readonly text: string;
  /** For each of its UTF-16 units, the tokens that hold it; none for a space. */
  readonly tokens: readonly Span[];
}

function lineOf({ text, pieces, offsets }: TokenizedPrompt): Line {
  const written = plainly(text);
  let line = '';
  const tokens: Span[] = [];
  let at = 0;
  for (const piece of pieces) {
    const word = plainly(piece.text);
    const found = written.indexOf(word, at);
    if (found !== at && line !== '') {
      line += ' ';
      tokens.push({ start: piece.start, end: piece.start });
    }
    if (found >= 0) at = found + word.length;
    line += word;
    for (let unit = 0; unit < word.length; unit++) tokens.push(holding(piece, offsets, unit));
  }
  return { text: line, tokens };
}

/** The tokens of a piece that hold a unit of its text. */
function holding(piece: Span, offsets: TokenizedPrompt['offsets'], unit: number): Span {
  if (!offsets) return piece;
  const holds = (token: number): boolean => offsets[token][0] <= unit && unit < offsets[token][1];
  let start = piece.start;
  while (start < piece.end - 1 && !holds(start)) start++;
  let end = start + 1;
  while (end < piece.end && holds(end)) end++;
  return { start, end };
}

function findTokens(prompt: TokenizedPrompt, word: Word): number[] {
  const line = lineOf(prompt);
  if (typeof word !== 'string') return tokensAt(placesOf(line, word.word), word.index);
  const [, plain, index] = /^(.+)#(\d+)$/s.exec(word) ?? [];
  if (!plain || occurrences(line, split(plainly(word))).length > 0) return tokensAt(placesOf(line, word));
  return tokensAt(placesOf(line, plain), Number(index));
}

/** The tokens of all places, or of one of them, counted from 1. */
function tokensAt(places: readonly Span[], index?: number): number[] {
  const chosen = index === undefined ? places : places.filter((_, i) => i === index - 1);
  const tokens = chosen.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
  return [...new Set(tokens)];
}

/**
 * The tokens of each place where the line has the phrase, ignoring punctuation; if the phrase's own punctuation is
 * there too, it is included. A phrase of only punctuation is searched for literally.
 */
function placesOf(line: Line, phrase: string): Span[] {
  const literal = occurrences(line, split(plainly(phrase)));
  const plain = occurrences({ ...line, text: unpunctuated(line.text) }, split(unpunctuated(plainly(phrase))));
  if (plain.length === 0) return literal;
  return plain.map((place) => literal.find(({ start, end }) => start <= place.start && place.end <= end) ?? place);
}

/** The tokens of each place where these words follow one another, separated by spaces. */
function occurrences({ text, tokens }: Line, words: readonly string[]): Span[] {
  if (words.length === 0) return [];
  const boundaries = wordBoundaries(text);
  const pattern = new RegExp(words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join(' +'), 'g');
  const places: Span[] = [];
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [start, end] = [match.index, match.index + match[0].length];
    if (boundaries.has(start) && boundaries.has(end))
      places.push({ start: tokens[start].start, end: tokens[end - 1].end });
    else pattern.lastIndex = start + 1;
  }
  return places;
}

/** Where a word may begin or end: never inside a character, and between two letters only in an unspaced script. */
function wordBoundaries(text: string): Set<number> {
  const boundaries = new Set([0, text.length]);
  let before = '';
  for (const { segment, index } of new Intl.Segmenter().segment(text)) {
    const joined = LETTER.test(before) && LETTER.test(segment) && !isUnspaced(before) && !isUnspaced(segment);
    if (!joined) boundaries.add(index);
    before = segment;
  }
  for (const { index, 0: number } of text.matchAll(NUMBER))
    for (let inside = index + 1; inside < index + number.length; inside++) boundaries.delete(inside);
  return boundaries;
}

/** Where the words of a line start and end. */
function segmentsOf(text: string): [start: number, end: number][] {
  const boundaries = wordBoundaries(text);
  const segments = [...new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)];
  const starts = segments.map(({ index }) => index).filter((index) => boundaries.has(index));
  return starts
    .map((start, i): [number, number] => [start, starts[i + 1] ?? text.length])
    .filter(([start, end]) => isWord(text.slice(start, end)));
}

/** The text with spaces in place of punctuation, at the same length. */
function unpunctuated(text: string): string {
  return text.replace(PUNCTUATION, (mark) => ' '.repeat(mark.length));
}

/** The end of the shortest run of pieces from `first` that is at least as long as the word, or of all that are left. */
function endOfRun(pieces: TokenizedPrompt['pieces'], first: number, word: string): number {
  let end = first;
  for (let length = 0; end < pieces.length && length < word.length; end += 1)
    length += plainly(pieces[end].text).length;
  return end;
}

function split(text: string): string[] {
  return text.split(/\s+/u).filter((word) => word !== '');
}

/** As the tokenizer sees it, which lowercases a Greek sigma regardless of its position in the word. */
export function plainly(text: string): string {
  return text.normalize('NFC').replaceAll('Σ', 'σ').toLowerCase();
}

function describe(prompt: TokenizedPrompt): string {
  const words = new Set(wordsOf(prompt).map(({ text }) => text));
  const cut = prompt.lost ? ` Cut off, being too long: "${prompt.lost}".` : '';
  return `"${prompt.text}" has: ${[...words].join(', ') || 'no words'}.${cut}`;
}
