import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController } from '../../attention/controller';
import { replaceRows, rowOf, takeRow, targetRows } from '../../attention/rows';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { wordsOf } from '../../text/words';
import { type Alignment, sharedTokens } from './alignment';
import { perKey } from './perKey';
import { type Injection, isDuring, rangeOf, tokenRanges } from './schedule';
import { checkAlignments, ofTarget } from './targets';

/**
 * Words that both prompts share keep the meaning they have in the source: at cross sites, each target takes the
 * source's keys and values for the tokens it shares with it, including start, end and padding. Keys that another
 * controller has added are left alone.
 *
 * The paper injects only maps. But in the text encoder each word sees those before it: the `meadow` after `a car in a`
 * is not the `meadow` after `a cat in a`, and through that difference a swapped word reaches the whole picture, past
 * every map. Where a model encodes much of the prompt in the end token and the padding, as Stable Diffusion does, this
 * also weakens the edit. The word after a new one keeps its own meaning, because the new one may describe it, as `red`
 * does in `a red car`; `during: { words: { car: 1 } }` makes it take the source's anyway.
 *
 * @param during default: the whole run; fractions are of its steps
 * @throws if no target has one of the words, a range is out of bounds, or there is not one alignment per target; in a
 *   run, if the batch lacks the source's row or has more targets
 */
export function contextInjection({
  source,
  targets,
  alignments,
  during = 1,
}: {
  readonly source: TokenizedPrompt;
  readonly targets: readonly TokenizedPrompt[];
  /** One per target. */
  readonly alignments: readonly Alignment[];
  readonly during?: Injection;
}): AttentionController {
  checkAlignments(targets, alignments);
  const shared = targets.map((target, i) => sharedTokens(source, target, alignments[i]));
  const spokenOf = targets.map((target, i) => tokensAfterNewWords(target, shared[i]));
  const ranges = tokenRanges(targets, during, (target, token) =>
    spokenOf[target].has(token) ? 0 : rangeOf(during, target),
  );
  return {
    wants: (call: AttentionCall) =>
      call.site.kind === 'cross' &&
      ranges.flat().some((range) => isDuring(range, call.step, call.steps)) &&
      targetRows(call).length > 0
        ? ['qkv']
        : [],
    onQkv({ q, k, v }, call) {
      const taken = shared.map((tokens, target) =>
        tokens.map((from, token) => (isDuring(ranges[target][token], call.step, call.steps) ? from : undefined)),
      );
      const withSource = (x: tf.Tensor4D): tf.Tensor4D => {
        const sources = takeRow(x, rowOf(0, call));
        return replaceRows(
          x,
          new Map(
            targetRows(call).map(({ row, prompt }) => [
              row,
              takeTokens(sources, takeRow(x, row), ofTarget(taken, prompt)),
            ]),
          ),
        );
      };
      return { q, k: withSource(k), v: withSource(v) };
    },
  };
}

/** The tokens of each word that follows a new word, that is, one with a token that is not shared. */
function tokensAfterNewWords(target: TokenizedPrompt, shared: readonly (number | undefined)[]): Set<number> {
  const words = wordsOf(target);
  const isNew = words.map(({ start, end }) => shared.slice(start, end).includes(undefined));
  return new Set(
    words
      .filter((_, i) => isNew[i - 1])
      .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, j) => start + j)),
  );
}

/**
 * @param source, own [1, heads, keys, headSize]
 * @param shared for each token the source token it takes, or undefined
 */
function takeTokens(source: tf.Tensor4D, own: tf.Tensor4D, shared: readonly (number | undefined)[]): tf.Tensor4D {
  const keys = own.shape[2];
  const places = perKey(shared, keys, undefined).map((from, key) => from ?? keys + key);
  return tf.gather(tf.concat([source, own], 2), tf.tensor1d(places, 'int32'), 2);
}
