import * as tf from '@tensorflow/tfjs';
import type { AttentionController, AttentionKind } from '../../src/attention/controller';

/** Controllers that record every map at sites of one kind, and that reverse the keys of every map. */
export class Turning {
  /** The recorded maps in the order of the sites, [rows, heads, queries, keys]. */
  readonly maps: tf.Tensor4D[] = [];
  readonly looking: AttentionController;
  readonly controller: AttentionController;

  constructor(kind: AttentionKind) {
    const looks = { kinds: [kind], wants: () => ['probs'] as const };
    const keep = (probs: tf.Tensor4D) => {
      this.maps.push(tf.keep(tf.clone(probs)));
      return probs;
    };
    this.looking = { ...looks, onProbs: keep };
    this.controller = { ...looks, onProbs: (probs) => tf.reverse(probs, 3) };
  }
}
