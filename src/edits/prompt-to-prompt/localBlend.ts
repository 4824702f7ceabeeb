import * as tf from '@tensorflow/tfjs';
import type { AttentionController, Grid } from '../../attention/controller';
import { isWithin, queriesOf } from '../../attention/grids';
import { conditionalRows, rowOf, takeRow } from '../../attention/rows';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { tokensOf, type Word } from '../../text/words';
import { type Mask, onLatentsGrid } from './givenMask';
import { perKey } from './perKey';
import { BLEND_THRESHOLD } from './shares';

/** Which words' region may change, and from which step on. */
export interface LocalBlendOptions {
  /** The source, then its targets. */
  readonly prompts: readonly TokenizedPrompt[];
  /**
   * For each prompt, the words whose region is edited, such as `[['cat'], ['tiger']]`; a target with none uses the
   * source's region.
   */
  readonly words: readonly (readonly Word[])[];
  /** For each prompt, the words whose region is left unchanged, even inside the edited region. */
  readonly subtract?: readonly (readonly Word[])[];
  /** The fraction of the steps after which blending starts (default: 0.2). */
  readonly start?: number;
  /**
   * The fraction of its maximum that a map must exceed to count as region, from 0 to less than 1 (default: 0.3). The
   * lower it is, the larger the region.
   */
  readonly threshold?: number;
  /** A mask whose places belong to the region regardless of the words' maps. */
  readonly also?: Mask;
  /**
   * Called after each step with the region, [prompts, height, width, 1] at the latents' size, 0 to 1. It is called
   * inside `tf.tidy`, which disposes of the region.
   */
  readonly onRegion?: (region: tf.Tensor4D) => void;
  /** The side of the largest grid whose maps are used, such as 16 (default: {@link layoutQueries} of the latents). */
  readonly maxSize?: number;
}

/** Attention summed over steps, sites and heads. */
interface Sums {
  readonly grid: Grid;
  /** [prompts, queries, 1 or 2]: attention to the words, then to the subtracted ones if there are any. */
  readonly maps: tf.Tensor3D;
}

/**
 * Keeps an edit to its region: outside it, the targets' latents are the source's (the authors' `LocalBlend`, as in
 * their null-text notebook). A region is where the attention to the words, summed over the steps so far and over the
 * sites of the largest grid allowed, widened by a 3x3 maximum and enlarged to the latents, exceeds the threshold. The
 * union of the source's region and the target's is used. The subtracted words' region is found the same way, without
 * widening.
 *
 * Compose it after the controllers that edit, so that it sees the edited attention, as in the authors' code.
 *
 * @throws if a prompt does not have one of its words, the run has other prompts, the batch lacks a prompt's row, or no
 *   cross-attention has a grid small enough
 */
export function localBlend({
  prompts,
  words,
  subtract,
  start = 0.2,
  threshold = BLEND_THRESHOLD,
  also,
  onRegion,
  maxSize,
}: LocalBlendOptions): AttentionController {
  if (!(start >= 0 && start <= 1))
    throw new RangeError(`A blend's start must be a fraction of the steps from 0 to 1, not ${start}.`);
  if (!(threshold >= 0 && threshold < 1))
    throw new RangeError(
      `A blend's threshold must be a fraction of a map's maximum, from 0 to less than 1, not ${threshold}.`,
    );
  const selectors = prompts.map((prompt, i) => selector(prompt, subtract ? [words[i], subtract[i]] : [words[i]]));
  let sums: Sums | undefined;
  const forget = (): void => {
    sums?.maps.dispose();
    sums = undefined;
  };

  return {
    wants: (call) => {
      const wanted =
        call.site.kind === 'cross' &&
        conditionalRows(call).length > 0 &&
        isWithin(call, maxSize) &&
        (!sums || queriesOf(call.grid) >= queriesOf(sums.grid));
      return wanted ? ['probs'] : [];
    },
    onProbs(probs, call) {
      if (sums && queriesOf(call.grid) > queriesOf(sums.grid)) forget();
      const maps = tf.concat(
        selectors.map((columns, prompt) => attentionTo(columns, takeRow(probs, rowOf(prompt, call)))),
        0,
      ) as tf.Tensor3D;
      const total: tf.Tensor3D = tf.keep(sums ? tf.add(sums.maps, maps) : maps);
      forget();
      sums = { grid: call.grid, maps: total };
      return probs;
    },
    onLatents(latents, { step, steps }) {
      if (step < Math.trunc(start * steps)) return latents;
      if (!sums)
        throw new Error(
          'Local blend found no cross-attention with a grid small enough; allow a larger one with maxSize.',
        );
      const [, height, width] = latents.shape;
      const { maps, grid } = sums;
      return tf.tidy(() => {
        const [edited, kept] = tf.split(maps, maps.shape[2], 2).map((map, i) => {
          const image = tf.reshape(map, [prompts.length, grid.height, grid.width, 1]) as tf.Tensor4D;
          return region(i === 0 ? tf.maxPool(image, 3, 1, 'same') : image, { height, width }, threshold);
        });
        const ofWords = tf.cast(kept ? tf.logicalAnd(edited, tf.logicalNot(kept)) : edited, 'float32');
        const mask = also ? tf.maximum(ofWords, onLatentsGrid(also, { height, width })) : ofWords;
        onRegion?.(mask as tf.Tensor4D);
        const source = takeRow(latents, 0);
        return tf.add(source, tf.mul(mask, tf.sub(latents, source)));
      });
    },
    begin(run) {
      forget();
      if (run.prompts !== prompts.length)
        throw new RangeError(
          `Local blend was made for ${prompts.length} prompts, but the run has ${run.prompts}. Make it with all prompts of the run.`,
        );
    },
    end: forget,
  };
}

/** [tokens, kinds]: 1 where a token belongs to a word of that kind, else 0. */
function selector(prompt: TokenizedPrompt, kinds: readonly (readonly Word[] | undefined)[]): number[][] {
  const chosen = kinds.map((words = []) => new Set(words.flatMap((word) => tokensOf(prompt, word))));
  return prompt.ids.map((_, token) => chosen.map((tokens) => Number(tokens.has(token))));
}

/** @param probs [1, heads, queries, keys] @returns [1, queries, kinds], summed over heads and tokens */
function attentionTo(columns: number[][], probs: tf.Tensor4D): tf.Tensor3D {
  const [, heads, queries, keys] = probs.shape;
  const kinds = columns[0].length;
  const chosen = tf.tensor2d(perKey(columns, keys, Array<number>(kinds).fill(0)));
  const product = tf.matMul(tf.reshape(probs, [heads * queries, keys]), chosen);
  return tf.sum(tf.reshape(product, [1, heads, queries, kinds]), 1);
}

/**
 * @param maps [prompts, h, w, 1] @returns bool [prompts, height, width, 1]: where a map, or the source's, exceeds the
 * threshold
 */
function region(maps: tf.Tensor4D, { height, width }: Grid, threshold: number): tf.Tensor4D {
  const enlarged = tf.image.resizeNearestNeighbor(maps, [height, width]);
  const relative = tf.divNoNan(enlarged, tf.max(enlarged, [1, 2], true));
  const own = tf.greater(relative, threshold) as tf.Tensor4D;
  return tf.logicalOr(takeRow(own, 0), own);
}
