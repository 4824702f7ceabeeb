import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController } from '../../attention/controller';
import { conditionalRows, type PromptRow, replaceRows, takeRow } from '../../attention/rows';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { type PerWord, perWord, tokensInEach } from '../../text/words';
import { perKey } from './perKey';
import { type Injection, injectionSchedule } from './schedule';
import { ofTarget } from './targets';

/** Which words to re-weight, and in which prompts. */
export interface ReweightOptions {
  /** The source, then its targets; or one prompt alone. */
  readonly prompts: readonly TokenizedPrompt[];
  /** A factor for each word: above 1 strengthens it, below 1 weakens it, below 0 inverts it. */
  readonly weights: PerWord<number>;
  /**
   * When (default: the whole run). The authors' code re-weights only what it injects, so there this is the injection's
   * schedule.
   */
  readonly during?: Injection;
}

/**
 * Multiplies the cross-attention to the tokens of chosen words, without renormalising (section 3.2 of the paper; the
 * authors' `AttentionReweight`). Keys that another controller has added are left alone. It changes the targets and
 * leaves the source alone; a prompt without targets is changed itself. Composed after an injection, it multiplies what
 * was injected.
 *
 * @throws if none of the changed prompts has one of the words; RangeError in a run of more prompts
 */
export function attentionReweight({ prompts, weights, during = 1 }: ReweightOptions): AttentionController {
  const first = prompts.length === 1 ? 0 : 1;
  const changed = prompts.slice(first);
  const schedule = injectionSchedule(changed, during);
  const factors = changed.map(({ ids }) => new Float32Array(ids.length).fill(1));
  for (const [word, factor] of perWord(weights)) {
    if (!Number.isFinite(factor))
      throw new RangeError(
        `The weight of "${typeof word === 'string' ? word : word.word}" is not a number: ${factor}.`,
      );
    tokensInEach(changed, word, prompts[0]).forEach((tokens, i) =>
      tokens.forEach((token) => {
        factors[i][token] = factor;
      }),
    );
  }

  const factorsOf = (prompt: number, { step, steps }: AttentionCall): Float32Array => {
    const own = ofTarget(factors, prompt - first + 1);
    const during = schedule(prompt - first, step, steps);
    return own.map((factor, token) => (during[token] ? factor : 1));
  };
  const changedRows = (call: AttentionCall): PromptRow[] =>
    conditionalRows(call).filter(
      ({ prompt }) => prompt >= first && factorsOf(prompt, call).some((factor) => factor !== 1),
    );

  return {
    wants: (call) => (call.site.kind === 'cross' && changedRows(call).length > 0 ? ['probs'] : []),
    onProbs: (probs, call) =>
      replaceRows(
        probs,
        new Map(
          changedRows(call).map(({ row, prompt }) => [
            row,
            tf.mul(takeRow(probs, row), tf.tensor1d(perKey(factorsOf(prompt, call), probs.shape[3], 1))),
          ]),
        ),
      ),
  };
}
