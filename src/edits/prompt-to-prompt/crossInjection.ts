import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController } from '../../attention/controller';
import { replaceRows, rowOf, takeRow, targetRows } from '../../attention/rows';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { type Alignment, type ReplacementRule, refinement, replacement } from './alignment';
import { perKey } from './perKey';
import { type Injection, injectionSchedule } from './schedule';
import { checkAlignments, ofTarget } from './targets';

/** The prompts, and when the targets take the source's cross-attention. */
export interface EditOptions {
  /** The source, then its targets. */
  readonly prompts: readonly TokenizedPrompt[];
  /** When the targets take the source's attention (default: the first 0.8 of the run). */
  readonly during?: Injection;
}

/** Also how a swap is aligned. */
export interface ReplaceOptions extends EditOptions {
  /** Which source tokens the words after a swap take (default: `corrected`). */
  readonly alignment?: ReplacementRule;
}

/**
 * Swaps words: the targets take the source's cross-attention, word by word ({@link replacement}; section 3.2 of the
 * paper).
 */
export function attentionReplace({
  prompts: [source, ...targets],
  during,
  alignment,
}: ReplaceOptions): AttentionController {
  return crossInjection({
    targets,
    alignments: targets.map((target) => replacement(source, target, alignment)),
    during,
  });
}

/**
 * Adds or removes words: tokens that both prompts share take the source's cross-attention ({@link refinement}; section
 * 3.2 of the paper).
 */
export function attentionRefine({ prompts: [source, ...targets], during }: EditOptions): AttentionController {
  return crossInjection({ targets, alignments: targets.map((target) => refinement(source, target)), during });
}

/**
 * Replaces each target's cross-attention by the source's, with its columns mapped by the target's alignment, for the
 * tokens and steps in the schedule. The other tokens keep their own, and so do keys that another controller has put
 * after the tokens, such as an image prompt's. The result is not renormalised.
 *
 * @throws if there is not one alignment per target; in a run, if the batch lacks the source's row or has more targets,
 *   or there are fewer keys than tokens in the alignments
 */
export function crossInjection({
  targets,
  alignments,
  during = 0.8,
}: {
  readonly targets: readonly TokenizedPrompt[];
  /** One per target. */
  readonly alignments: readonly Alignment[];
  readonly during?: Injection;
}): AttentionController {
  checkAlignments(targets, alignments);
  const schedule = injectionSchedule(targets, during);
  /** How much of its mapped source each token of a target takes at this call: 0 or 1. */
  const sharesOf = (prompt: number, { step, steps }: AttentionCall): Float32Array => {
    const { aligned } = ofTarget(alignments, prompt);
    return schedule(prompt - 1, step, steps).map((alpha, token) => alpha * aligned[token]);
  };

  return {
    wants: (call) => {
      const wanted =
        call.site.kind === 'cross' &&
        targetRows(call).some(({ prompt }) => sharesOf(prompt, call).some((share) => share > 0));
      return wanted ? ['probs'] : [];
    },
    onProbs(probs, call) {
      const source = takeRow(probs, rowOf(0, call));
      const rows = new Map(
        targetRows(call).map(({ row, prompt }) => [
          row,
          inject(source, () => takeRow(probs, row), ofTarget(alignments, prompt), sharesOf(prompt, call)),
        ]),
      );
      return replaceRows(probs, rows);
    },
  };
}

/**
 * source x mapping where a token's share is 1; the target's own where it is 0 and for keys after the tokens. All maps
 * [1, heads, queries, keys].
 */
function inject(
  source: tf.Tensor4D,
  own: () => tf.Tensor4D,
  { length, matrix }: Alignment,
  shares: Float32Array,
): tf.Tensor4D {
  const [, heads, queries, keys] = source.shape;
  const kept = perKey(shares, keys, 0).map((share) => 1 - share);
  const ofTokens = tf.tensor2d(
    matrix.map((share, i) => share * shares[i % length]),
    [length, length],
  );
  const added: [number, number] = [0, keys - length];
  const mapping = tf.pad(ofTokens, [added, added]);
  const mapped: tf.Tensor4D = tf.reshape(tf.matMul(tf.reshape(source, [heads * queries, keys]), mapping), source.shape);
  if (kept.every((share) => share === 0)) return mapped;
  return tf.add(mapped, tf.mul(own(), tf.tensor1d(kept)));
}
