import type { TokenizedPrompt, Tokenizer } from '../../src/text/tokenizer';

/**
 * A simple tokenizer: a word is one token or, with bars in it, several (`uni|cycle`). Position 0 is the start token;
 * the end token follows the last word and pads the rest.
 */
export const toyTokenizer = (maxLength = 12): Tokenizer => {
  const vocabulary: string[] = ['<start>', '<end>'];
  const idOf = (token: string): number => {
    if (!vocabulary.includes(token)) vocabulary.push(token);
    return vocabulary.indexOf(token);
  };
  return {
    maxLength,
    tokenize(prompt): TokenizedPrompt {
      const ids = [0];
      const pieces = (prompt.match(/[\p{L}|]+|\p{N}|[^\s\p{L}\p{N}]+/gu) ?? []).map((piece) => {
        const start = ids.length;
        ids.push(...piece.toLowerCase().split('|').map(idOf));
        return { text: piece.replaceAll('|', ''), start, end: ids.length };
      });
      ids.push(1);
      const { length } = ids;
      return {
        text: prompt.replaceAll('|', ''),
        ids: [...ids, ...Array(maxLength - length).fill(1)],
        length,
        pieces,
        lost: '',
      };
    },
  };
};
