import * as tf from '@tensorflow/tfjs';
import { withKeys } from './compose';
import type { AttentionCall, AttentionController, BatchRow, Evaluation, Grid, Qkv, Stage } from './controller';
import { callHook, stagesWanted } from './hooks';
import { attentionLogits, attentionValues, lookAhead, mergeHeads, scaledDotProduct } from './scaledDotProduct';

/** A controller, with what it needs to know of the evaluation in which it is asked. */
export interface AttentionControl {
  readonly controller: AttentionController;
  readonly evaluation: Evaluation;
}

/** A controller, where there is one, with an evaluation outside of the steps: of the text encoder, or of the VAE. */
export function outsideOfSteps(
  controller: AttentionController | undefined,
  rows: readonly BatchRow[],
  latents: Grid,
): AttentionControl | undefined {
  return controller && { controller, evaluation: { step: 0, steps: 1, timestep: 0, latents, rows } };
}

/** The two ways in which a layer computes its attention. */
export interface AttentionWays {
  /** Where nobody looks into it. @returns [rows, queries, heads x headSize] */
  free(): tf.Tensor3D;
  /** Queries, keys and values for who does. */
  qkv(): Qkv;
  /** Each token attends to itself and those before it only. */
  readonly causal?: boolean;
}

/** Attention, with what a controller wants laid out for it. @returns [rows, queries, heads x headSize] */
export function attend(
  ways: AttentionWays,
  at: Pick<AttentionCall, 'site' | 'grid' | 'keys'>,
  control: AttentionControl | undefined,
): tf.Tensor3D {
  if (!control) return ways.free();
  const { controller, evaluation } = control;
  const call = { ...evaluation, ...at };
  const wanted = stagesWanted(controller, call);
  return wanted.length > 0 ? controlled(ways, wanted, controller, call) : ways.free();
}

function controlled(
  { free, qkv: project, causal }: AttentionWays,
  wanted: readonly Stage[],
  controller: AttentionController,
  call: AttentionCall,
): tf.Tensor3D {
  let after = call;
  const inside = (): tf.Tensor3D => {
    let qkv = project();
    if (wanted.includes('qkv')) qkv = callHook(controller, 'qkv', qkv, call);
    after = withKeys(call, qkv);
    if (!causal && !wanted.includes('logits') && !wanted.includes('probs')) return mergeHeads(scaledDotProduct(qkv));
    let logits = attentionLogits(qkv);
    if (causal) logits = tf.add(logits, lookAhead(0, call.keys, after.keys, call.keys));
    if (wanted.includes('logits')) logits = callHook(controller, 'logits', logits, after);
    let probs = tf.softmax(logits);
    if (wanted.includes('probs')) probs = callHook(controller, 'probs', probs, after);
    return mergeHeads(attentionValues(probs, qkv.v));
  };
  const output = wanted.some((stage) => stage !== 'output') ? inside() : free();
  return wanted.includes('output') ? callHook(controller, 'output', output, after) : output;
}
