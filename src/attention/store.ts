import * as tf from '@tensorflow/tfjs';
import type { TokenizedPrompt } from '../text/tokenizer';
import { tokensOf, type Word } from '../text/words';
import type { AttentionCall, AttentionController, AttentionSite, Grid } from './controller';
import { isWithin, queriesOf } from './grids';
import { conditionalRows, takeRow } from './rows';
import { isAt, type SiteCall, type Where } from './select';

/** A site whose maps a store holds. */
export interface StoredSite {
  readonly site: AttentionSite;
  readonly grid: Grid;
  readonly keys: number;
  /** The number of evaluations that its maps average. */
  readonly evaluations: number;
}

/** Which of the stored maps to read. */
export interface MapOptions {
  /** Default: 0, the source. */
  readonly prompt?: number;
  /**
   * The sites to average, all of one grid (default: those of the largest cross-attention grid up to
   * {@link layoutQueries}).
   */
  readonly where?: Where;
}

/** The attention maps of a run, kept until the next run begins or `dispose()`. */
export interface AttentionStore extends AttentionController {
  /** The sites stored, in order of evaluation. */
  readonly sites: readonly StoredSite[];
  /**
   * The mean map over heads, steps and chosen sites. The caller disposes of it.
   *
   * @returns [height, width, keys], the attention that each key gets at each place of the grid, summing to 1 over the
   *   keys
   * @throws if none of the stored sites is chosen, or the chosen sites have different grids
   */
  maps(options?: MapOptions): tf.Tensor3D;
  /** The mean map of one word: the attention to all its tokens. The caller disposes of it. @returns [height, width] */
  wordMap(prompt: TokenizedPrompt, word: Word, options?: MapOptions): tf.Tensor2D;
  dispose(): void;
}

interface Sum {
  /** The last call at this site. */
  call: AttentionCall;
  evaluations: number;
  /** By prompt: [1, queries, keys], summed over heads and evaluations. */
  readonly maps: Map<number, tf.Tensor3D>;
}

/**
 * Stores every prompt's attention at the chosen calls as a running sum, so that memory does not grow with the steps.
 * Composed after controllers that edit, it stores the edited attention.
 *
 * @param where default: all cross-attention up to {@link layoutQueries}
 */
export function attentionStore(where: Where = isLayout): AttentionStore {
  const sums = new Map<string, Sum>();
  const dispose = (): void => {
    for (const { maps } of sums.values()) tf.dispose([...maps.values()]);
    sums.clear();
  };

  const maps = ({ prompt = 0, where: chosen }: MapOptions = {}): tf.Tensor3D =>
    tf.tidy(() => {
      const found = choose([...sums.values()], chosen);
      const { grid, keys } = found[0].call;
      const means = found.map(({ call: { site }, evaluations, maps: stored }) => {
        const map = stored.get(prompt);
        if (!map)
          throw new Error(
            `The store has no maps of prompt ${prompt}: the run had prompts ${[...stored.keys()].join(', ')}.`,
          );
        return { heads: site.heads, sum: tf.div(map, evaluations) };
      });
      const heads = means.reduce((total, mean) => total + mean.heads, 0);
      return tf.reshape(tf.div(tf.addN(means.map(({ sum }) => sum)), heads), [grid.height, grid.width, keys]);
    });

  return {
    get sites() {
      return [...sums.values()].map(({ call: { site, grid, keys }, evaluations }) => ({
        site,
        grid,
        keys,
        evaluations,
      }));
    },
    maps,
    wordMap: (prompt, word, options) =>
      tf.tidy(() => {
        const tokens = tf.tensor1d(tokensOf(prompt, word), 'int32');
        return tf.sum(tf.gather(maps(options), tokens, 2), 2);
      }),
    dispose,

    wants: (call) => (conditionalRows(call).length > 0 && isAt(where, call) ? ['probs'] : []),
    onProbs(probs, call) {
      const sum = sums.get(call.site.path) ?? { call, evaluations: 0, maps: new Map<number, tf.Tensor3D>() };
      sums.set(call.site.path, sum);
      for (const { row, prompt } of conditionalRows(call)) {
        const map = tf.sum(takeRow(probs, row), 1) as tf.Tensor3D;
        const before = sum.maps.get(prompt);
        sum.maps.set(prompt, tf.keep(before ? tf.add(before, map) : map));
        before?.dispose();
      }
      sum.call = call;
      sum.evaluations += 1;
      return probs;
    },
    begin: dispose,
  };
}

function isLayout(call: SiteCall): boolean {
  return call.site.kind === 'cross' && isWithin(call);
}

/** The sums of the sites chosen. @throws if there are none, or their maps are of different sizes */
function choose(sums: readonly Sum[], where?: Where): Sum[] {
  const found = sums.filter(({ call }) => isAt(where ?? isLayout, call));
  if (found.length === 0)
    throw new Error(
      'The store has no maps of the chosen sites. It stores those that attentionStore(where) selects, in a run that it is a controller of.',
    );
  const largest = Math.max(...found.map(({ call }) => queriesOf(call.grid)));
  const chosen = where ? found : found.filter(({ call }) => queriesOf(call.grid) === largest);
  const sizes = new Set(chosen.map(({ call: { grid, keys } }) => `${grid.height}x${grid.width} to ${keys} keys`));
  if (sizes.size > 1)
    throw new Error(
      `Maps of different sizes cannot be averaged: ${[...sizes].join(', ')}. Choose sites of one grid and kind.`,
    );
  return chosen;
}
