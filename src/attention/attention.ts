import * as tf from '@tensorflow/tfjs';
import { JoinedLinear, Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { type AttentionControl, attend } from './attend';
import { type Context, FixedContext, type KeysAndValues } from './context';
import type { AttentionKind, AttentionSite, Grid, Place, Qkv } from './controller';
import { mergeHeads, scaledDotProduct, selfAttention, splitHeads } from './scaledDotProduct';

/** An attention layer's kind, place and sizes. */
export interface AttentionOptions {
  readonly kind: Extract<AttentionKind, 'self' | 'cross'>;
  readonly place: Place;
  /** Channels of the queries and of the output. */
  readonly queryDim: number;
  /** Channels of the input to keys and values; at a self site the same as `queryDim`. */
  readonly contextDim?: number;
  readonly heads: number;
  readonly headSize: number;
}

/**
 * Multi-head attention, self or cross: softmax(Q K^T / sqrt(headSize)) V, then the output projection
 * (diffusers `Attention` with `to_q`, `to_k`, `to_v`, `to_out.0`).
 */
export class Attention {
  readonly site: AttentionSite;
  /** At a cross site; a self site computes all three in one product, `toQkv`. */
  private readonly toQ?: Linear;
  private readonly toKv?: JoinedLinear;
  private readonly toQkv?: JoinedLinear;
  private readonly toOut: Linear;

  constructor(scope: Scope, { kind, place, queryDim, contextDim = queryDim, heads, headSize }: AttentionOptions) {
    this.site = { path: scope.path, kind, place, heads, headSize };
    const inner = heads * headSize;
    const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((name) => scope.at(name));
    if (kind === 'self') {
      this.toQkv = new JoinedLinear([q, k, v], queryDim, inner);
    } else {
      this.toQ = new Linear(q, queryDim, inner, { bias: false });
      this.toKv = new JoinedLinear([k, v], contextDim, inner);
    }
    this.toOut = new Linear(scope.at('to_out', 0), inner, queryDim);
  }

  /**
   * @param hidden [rows, height x width, queryDim]
   * @param context [rows, tokens, contextDim]; `hidden` itself at a self site; or a {@link FixedContext}
   * @param grid the height and width of the queries
   * @returns [rows, height x width, queryDim]
   */
  forward(hidden: tf.Tensor3D, context: Context, grid: Grid, control?: AttentionControl): tf.Tensor3D {
    const ways = { free: () => this.free(hidden, context), qkv: () => this.qkv(hidden, context) };
    return tf.tidy(() => this.toOut.forward(attend(ways, { site: this.site, grid, keys: context.shape[1] }, control)));
  }

  /** Attention when no controller looks inside. @returns [rows, queries, heads x headSize] */
  private free(hidden: tf.Tensor3D, context: Context): tf.Tensor3D {
    if (this.toQkv && context === hidden) return selfAttention(this.toQkv.forward(hidden), this.site.heads);
    return mergeHeads(scaledDotProduct(this.qkv(hidden, context)));
  }

  private qkv(hidden: tf.Tensor3D, context: Context): Qkv {
    if (this.toQkv && context === hidden) {
      const [q, k, v] = splitHeads(this.toQkv.forward(hidden), this.site.heads, 3);
      return { q, k, v };
    }
    const [q] = this.toQkv
      ? splitHeads(this.toQkv.forward(hidden), this.site.heads, 3)
      : splitHeads(this.toQ!.forward(hidden), this.site.heads);
    return {
      q,
      ...(context instanceof FixedContext
        ? context.at(this.site.path, (prompts) => this.keysAndValues(prompts))
        : this.keysAndValues(context)),
    };
  }

  private keysAndValues(context: tf.Tensor3D): KeysAndValues {
    const { heads } = this.site;
    const [k, v] = this.toQkv
      ? splitHeads(this.toQkv.forward(context), heads, 3).slice(1)
      : splitHeads(this.toKv!.forward(context), heads, 2);
    return { k, v };
  }
}
