/** Prompts and an edit's controllers for them, without a checkpoint's tokenizer. */
import { compose } from '../src/attention/compose';
import type { AttentionController, BatchRow } from '../src/attention/controller';
import { type AttentionStore, attentionStore } from '../src/attention/store';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import type { Tokenizer } from '../src/text/tokenizer';

/** A source and its targets, each with one word swapped. */
export const PROMPTS = ['bicycle', 'motorcycle', 'car', 'horse'].map((last) => `a cat riding a ${last}`);
const WORDS = [...new Set(PROMPTS.join(' ').split(' '))];

/** A tokenizer with one token per word. @param maxLength of a prompt, in tokens */
export const words = (maxLength: number): Tokenizer => ({
  maxLength,
  tokenize: (text) => {
    const pieces = text.split(' ').map((word, i) => ({ text: word, start: i + 1, end: i + 2 }));
    const ids = [0, ...pieces.map((piece) => 2 + WORDS.indexOf(piece.text)), 1];
    return {
      text,
      ids: [...ids, ...Array<number>(maxLength - ids.length).fill(1)],
      length: ids.length,
      pieces,
      lost: '',
    };
  },
});

/**
 * An edit that replaces words, injects self-attention and stores maps.
 * @param count of prompts, including the source
 * @param share of the run with injection; by default the method's own
 */
export function editOf(
  count: number,
  tokens: number,
  share?: number,
): { readonly controller: AttentionController; readonly store: AttentionStore } {
  const store = attentionStore();
  const edit = promptToPrompt({
    tokenizer: words(tokens),
    prompts: PROMPTS.slice(0, count),
    ...(share === undefined ? {} : { cross: share, self: share }),
  });
  return { controller: compose(edit, store), store };
}

/**
 * The rows of a batch: with guidance, first the unconditional ones of all prompts; then always the conditional ones.
 */
export function rowsOf(prompts: readonly number[], guidance = true): BatchRow[] {
  const roles = guidance ? ['unconditional', 'conditional'] : ['conditional'];
  return roles.flatMap((role) => prompts.map((prompt) => ({ prompt, role })));
}
