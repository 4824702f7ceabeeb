import { refinement } from '../edits/prompt-to-prompt/alignment';
import type { TokenizedPrompt } from '../text/tokenizer';
import { type PromptWord, plainly, tokensInEach, wordsOf } from '../text/words';
import type { Mark, TextRun } from './layout';

/** A word that an edit affects. */
export interface MarkedWord {
  readonly word: PromptWord;
  /** The factor on its attention. */
  readonly factor?: number;
}

/** English articles. */
export function isArticle({ text }: PromptWord): boolean {
  return ['a', 'an', 'the'].includes(text);
}

/**
 * The words of each prompt that an edit affects: those swapped, added or removed, and those with a weight.
 *
 * @param prompts the source, then its targets
 * @param weights factors for words of the targets
 */
export function markedWords(
  prompts: readonly TokenizedPrompt[],
  weights: Readonly<Record<string, number>>,
): MarkedWord[][] {
  const [source, ...targets] = prompts;
  const changes = targets.map((target) => changedTokens(source, target));
  const changed = [changes.map(({ source }) => source), ...changes.map(({ target }) => [target])];
  const weighted = Object.entries(weights).map(([word, factor]) => ({
    factor,
    positions: tokensInEach(prompts, word),
  }));
  return prompts.map((prompt, i) =>
    wordsOf(prompt).flatMap((word) => {
      const tokens = tokensIn(word);
      const weight = weighted.find(({ positions }) => tokens.some((token) => positions[i].includes(token)));
      if (!weight && !changed[i].some((isChanged) => tokens.some(isChanged))) return [];
      return [{ word, factor: i === 0 ? undefined : weight?.factor }];
    }),
  );
}

type IsChanged = (token: number) => boolean;

/** The tokens of a target that are not aligned with the source, and those of the source that the target lacks. */
function changedTokens(source: TokenizedPrompt, target: TokenizedPrompt): { source: IsChanged; target: IsChanged } {
  const { length, matrix, aligned } = refinement(source, target);
  return {
    source: (token) => matrix.subarray(token * length, (token + 1) * length).every((share) => share === 0),
    target: (token) => aligned[token] === 0,
  };
}

/** The prompt as written, with some of its words marked; a truncated end is pale. */
export function markedPrompt(prompt: TokenizedPrompt, marked: readonly MarkedWord[], mark: Mark): TextRun[] {
  const lower = plainly(prompt.text);
  const written = lower.length === prompt.text.normalize('NFC').length ? prompt.text.normalize('NFC') : lower;
  const runs: TextRun[] = [];
  let end = 0;
  for (const { name, text } of wordsOf(prompt)) {
    const start = lower.indexOf(text, end);
    if (start < 0) continue;
    runs.push({ text: written.slice(end, start) });
    end = start + text.length;
    const word = marked.find((each) => each.word.name === name);
    runs.push({ text: written.slice(start, end) + times(word), mark: word ? mark : 'plain' });
  }
  return [...runs, { text: written.slice(end), mark: prompt.lost ? ('quiet' as const) : ('plain' as const) }].filter(
    (run) => run.text !== '',
  );
}

/** ` ×4` if a word has a factor, with a non-breaking space. */
export function times(word?: MarkedWord): string {
  return word?.factor === undefined ? '' : `\u00a0×${String(word.factor).replace('-', '−')}`;
}

function tokensIn({ start, end }: PromptWord): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
