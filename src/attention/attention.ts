import * as tf from '@tensorflow/tfjs';
import { JoinedLinear, Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { withKeys } from './compose';
import { type Context, FixedContext, type KeysAndValues } from './context';
import type {
  AttentionCall,
  AttentionController,
  AttentionKind,
  AttentionSite,
  Evaluation,
  Grid,
  Place,
  Qkv,
  Stage,
} from './controller';
import { callHook, stagesWanted } from './hooks';
import {
  attentionLogits,
  attentionValues,
  mergeHeads,
  scaledDotProduct,
  selfAttention,
  splitHeads,
} from './scaledDotProduct';

/** What an attention layer is, and its sizes. */
export interface AttentionOptions {
  readonly kind: AttentionKind;
  readonly place: Place;
  /** Channels of the queries and of the output. */
  readonly queryDim: number;
  /** Channels of what keys and values are made from; the queries' own at a self site. */
  readonly contextDim?: number;
  readonly heads: number;
  readonly headSize: number;
}

/** A controller, with what it needs to know of the evaluation in which it is asked. */
export interface AttentionControl {
  readonly controller: AttentionController;
  readonly evaluation: Evaluation;
}

/**
 * Multi-head attention, self or cross: softmax(Q K^T / sqrt(headSize)) V, then the output projection
 * (diffusers `Attention` with `to_q`, `to_k`, `to_v`, `to_out.0`).
 */
export class Attention {
  readonly site: AttentionSite;
  /** Of a cross site; a self site has all three as one. */
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
   * @param context [rows, tokens, contextDim]; `hidden` itself at a self site; or a context that is fixed for a run
   * @param grid the height and width of the queries
   * @returns [rows, height x width, queryDim]
   */
  forward(hidden: tf.Tensor3D, context: Context, grid: Grid, control?: AttentionControl): tf.Tensor3D {
    return tf.tidy(() => {
      const call = control && { ...control.evaluation, site: this.site, grid, keys: context.shape[1] };
      const wanted = call ? stagesWanted(control.controller, call) : [];
      return this.toOut.forward(
        wanted.length > 0
          ? this.controlled(hidden, context, wanted, control!.controller, call!)
          : this.free(hidden, context),
      );
    });
  }

  /** Attention that nobody looks into. @returns [rows, queries, heads x headSize] */
  private free(hidden: tf.Tensor3D, context: Context): tf.Tensor3D {
    if (this.toQkv && context === hidden) return selfAttention(this.toQkv.forward(hidden), this.site.heads);
    return mergeHeads(scaledDotProduct(this.qkv(hidden, context)));
  }

  /** Attention with what the controller wants laid out for it. @returns [rows, queries, heads x headSize] */
  private controlled(
    hidden: tf.Tensor3D,
    context: Context,
    wanted: readonly Stage[],
    controller: AttentionController,
    call: AttentionCall,
  ): tf.Tensor3D {
    let after = call;
    const attend = (): tf.Tensor3D => {
      let qkv = this.qkv(hidden, context);
      if (wanted.includes('qkv')) qkv = callHook(controller, 'qkv', qkv, call);
      after = withKeys(call, qkv);
      if (!wanted.includes('logits') && !wanted.includes('probs')) return mergeHeads(scaledDotProduct(qkv));
      let logits = attentionLogits(qkv);
      if (wanted.includes('logits')) logits = callHook(controller, 'logits', logits, after);
      let probs = tf.softmax(logits);
      if (wanted.includes('probs')) probs = callHook(controller, 'probs', probs, after);
      return mergeHeads(attentionValues(probs, qkv.v));
    };
    const output = wanted.some((stage) => stage !== 'output') ? attend() : this.free(hidden, context);
    return wanted.includes('output') ? callHook(controller, 'output', output, after) : output;
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
