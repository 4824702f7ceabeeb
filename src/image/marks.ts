import { refinement } from '../edits/prompt-to-prompt/alignment';
import type { Piece, TokenizedPrompt } from '../text/tokenizer';
import { isWord, tokensInEach } from '../text/words';
import type { Mark, Run } from './layout';

/** A word that an edit is about. */
export interface MarkedWord {
  readonly piece: Piece;
  /** What its attention is multiplied by. */
  readonly factor?: number;
}

/** The pieces of a prompt that are words or emoji, not punctuation. */
export function wordsOf({ pieces }: TokenizedPrompt): Piece[] {
  return pieces.filter(({ text }) => isWord(text));
}

/** What the words of a prompt are called: those that it has before by their number, such as `cat#2`. */
export function labelsOf(prompt: TokenizedPrompt): Map<Piece, string> {
  const counts = new Map<string, number>();
  return new Map(
    wordsOf(prompt).map((piece) => {
      const count = (counts.get(piece.text) ?? 0) + 1;
      counts.set(piece.text, count);
      return [piece, count === 1 ? piece.text : `${piece.text}#${count}`];
    }),
  );
}

/** English articles. */
export function isArticle({ text }: Piece): boolean {
  return ['a', 'an', 'the'].includes(text);
}

/**
 * The words of each prompt that an edit is about: those that were swapped, added or left out, and those with a weight.
 *
 * @param prompts the source, then its targets
 * @param weights factors for words of the targets
 */
export function markedWords(
  prompts: readonly TokenizedPrompt[],
  weights: Readonly<Record<string, number>>,
): MarkedWord[][] {
  const [source, ...targets] = prompts;
  const changes = targets.map((target) => changedWords(source, target));
  const changed = [changes.flatMap((change) => change.source), ...changes.map((change) => change.target)];
  const weighted = Object.entries(weights).map(([word, factor]) => ({
    factor,
    positions: tokensInEach(prompts, word),
  }));
  return prompts.map((prompt, i) =>
    wordsOf(prompt).flatMap((piece) => {
      const weight = weighted.find(({ positions }) => tokens(piece).some((token) => positions[i].includes(token)));
      if (!weight && !changed[i].includes(piece)) return [];
      return [{ piece, factor: i === 0 ? undefined : weight?.factor }];
    }),
  );
}

/** The words of a target that its source does not have in that place, and those of the source that it lacks. */
function changedWords(source: TokenizedPrompt, target: TokenizedPrompt): { source: Piece[]; target: Piece[] } {
  const { length, matrix, aligned } = refinement(source, target);
  const taken = (token: number): boolean =>
    matrix.subarray(token * length, (token + 1) * length).some((share) => share > 0);
  return {
    source: wordsOf(source).filter((piece) => !tokens(piece).every(taken)),
    target: wordsOf(target).filter((piece) => !tokens(piece).every((token) => aligned[token] > 0)),
  };
}

/** The prompt as it was written, with some of its words marked; what was cut off, being too long, is pale. */
export function markedPrompt(
  { text, pieces, lost }: TokenizedPrompt,
  marked: readonly MarkedWord[],
  mark: Mark,
): Run[] {
  const lower = text.normalize('NFC').toLowerCase();
  const written = lower.length === text.normalize('NFC').length ? text.normalize('NFC') : lower;
  const runs: Run[] = [];
  let end = 0;
  for (const piece of pieces) {
    const start = lower.indexOf(piece.text, end);
    if (start < 0) continue;
    runs.push({ text: written.slice(end, start) });
    end = start + piece.text.length;
    const word = marked.find((each) => each.piece === piece);
    runs.push({ text: written.slice(start, end) + times(word), mark: word ? mark : 'plain' });
  }
  return [...runs, { text: written.slice(end), mark: lost ? ('quiet' as const) : ('plain' as const) }].filter(
    (run) => run.text !== '',
  );
}

/** `×4` where a word has a factor; with a space that does not break. */
export function times(word?: MarkedWord): string {
  return word?.factor === undefined ? '' : `\u00a0×${String(word.factor).replace('-', '−')}`;
}

function tokens({ start, end }: Piece): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
