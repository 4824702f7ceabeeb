/** Prompts and the controllers of an edit of them, without a checkpoint's tokenizer. */
import { compose } from '../src/attention/compose';
import type { AttentionController, BatchRow } from '../src/attention/controller';
import { type AttentionStore, attentionStore } from '../src/attention/store';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import type { Tokenizer } from '../src/text/tokenizer';

/** A source and its targets, each with one word swapped. */
export const PROMPTS = ['bicycle', 'motorcycle', 'car', 'horse'].map((last) => `a cat riding a ${last}`);
const WORDS = [...new Set(PROMPTS.join(' ').split(' '))];

/** A token a word. @param maxLength of a prompt, in tokens */
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
 * Words replaced, self-attention injected, maps stored.
 * @param count of prompts, the source among them
 * @param share of the run in which it injects; by default what the method itself does
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
 * What the rows of a batch are: with guidance the unconditional ones for all prompts, then in any case the conditional.
 */
export function rowsOf(prompts: readonly number[], guidance = true): BatchRow[] {
  const roles = guidance ? ['unconditional', 'conditional'] : ['conditional'];
  return roles.flatMap((role) => prompts.map((prompt) => ({ prompt, role })));
}
