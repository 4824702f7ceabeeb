/** Hides a word from the rest of its sentence, so that its colour or kind cannot leak to other words. */
import * as tf from '@tensorflow/tfjs';
import {
  type AttentionCall,
  type AttentionController,
  conditionalRows,
  replaceRows,
  takeRow,
} from 'prompt-to-prompt-tfjs';

/**
 * In the text encoder, tokens after the word do not attend to it.
 *
 * @param prompt the prompt's number in the run @param tokens the word's tokens, as returned by `tokensOf`
 */
export function unheardWord(prompt: number, tokens: readonly number[]): AttentionController {
  const rowIn = (call: AttentionCall) => conditionalRows(call).find((row) => row.prompt === prompt)?.row;
  return {
    name: 'unheardWord',
    kinds: ['text'],
    wants: (call) => (rowIn(call) === undefined ? [] : ['logits']),
    onLogits(logits, call) {
      const row = rowIn(call)!;
      const [, , queries, keys] = logits.shape;
      const isWord = (token: number) => tokens.includes(token);
      const deaf = tf.buffer([1, 1, queries, keys]);
      for (let query = 0; query < queries; query++)
        for (const token of isWord(query) ? [] : tokens) deaf.set(-1e9, 0, 0, query, token);
      return replaceRows(logits, new Map([[row, tf.add<tf.Tensor4D>(takeRow(logits, row), deaf.toTensor())]]));
    },
  };
}
