import * as tf from '@tensorflow/tfjs';
import { Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { FixedContext, type Context, type KeysAndValues } from './context';
import type { AttentionCall, AttentionController, AttentionKind, AttentionSite, Evaluation, Grid, Place, Qkv } from './controller';
import { scaledDotProduct } from './scaledDotProduct';

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
  private readonly toQ: Linear;
  private readonly toK: Linear;
  private readonly toV: Linear;
  private readonly toOut: Linear;

  constructor(scope: Scope, { kind, place, queryDim, contextDim = queryDim, heads, headSize }: AttentionOptions) {
    this.site = { path: scope.path, kind, place, heads, headSize };
    const inner = heads * headSize;
    this.toQ = new Linear(scope.at('to_q'), queryDim, inner, { bias: false });
    this.toK = new Linear(scope.at('to_k'), contextDim, inner, { bias: false });
    this.toV = new Linear(scope.at('to_v'), contextDim, inner, { bias: false });
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
      const keysAndValues = context instanceof FixedContext ? context.at(this.site.path, (prompts) => this.project(prompts)) : this.project(context);
      const qkv = { q: splitHeads(this.toQ.forward(hidden), this.site.heads), ...keysAndValues };
      const output = control ? this.controlled(qkv, grid, control) : mergeHeads(scaledDotProduct(qkv));
      return this.toOut.forward(output);
    });
  }

  private project(context: tf.Tensor3D): KeysAndValues {
    const { heads } = this.site;
    return { k: splitHeads(this.toK.forward(context), heads), v: splitHeads(this.toV.forward(context), heads) };
  }

  private controlled(qkv: Qkv, grid: Grid, { controller, evaluation }: AttentionControl): tf.Tensor3D {
    const call: AttentionCall = { ...evaluation, site: this.site, grid, keys: qkv.k.shape[2] };
    const wanted = controller.wants(call);
    if (wanted.includes('qkv')) qkv = controller.onQkv?.(qkv, call) ?? qkv;
    const heads = wanted.includes('logits') || wanted.includes('probs')
      ? this.openly(qkv, wanted, controller, call)
      : scaledDotProduct(qkv);
    const output = mergeHeads(heads);
    return wanted.includes('output') ? (controller.onOutput?.(output, call) ?? output) : output;
  }

  /** Attention with every logit and probability laid out for the controller. @returns [rows, heads, queries, headSize] */
  private openly({ q, k, v }: Qkv, wanted: readonly string[], controller: AttentionController, call: AttentionCall): tf.Tensor4D {
    let logits: tf.Tensor4D = tf.matMul(tf.mul(q, this.site.headSize ** -0.5), k, false, true);
    if (wanted.includes('logits')) logits = controller.onLogits?.(logits, call) ?? logits;
    let probs = tf.softmax(logits);
    if (wanted.includes('probs')) probs = controller.onProbs?.(probs, call) ?? probs;
    return tf.matMul(probs, v);
  }
}

/** [rows, tokens, heads x headSize] -> [rows, heads, tokens, headSize] */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [rows, tokens, features] = x.shape;
  return tf.transpose(tf.reshape(x, [rows, tokens, heads, features / heads]), [0, 2, 1, 3]);
}

/** [rows, heads, tokens, headSize] -> [rows, tokens, heads x headSize] */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [rows, heads, tokens, headSize] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [rows, tokens, heads * headSize]);
}
