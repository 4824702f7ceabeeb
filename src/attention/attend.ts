import * as tf from '@tensorflow/tfjs';
import { withKeys } from './compose';
import type { AttentionCall, AttentionController, BatchRow, Evaluation, Grid, Qkv, Stage } from './controller';
import { callHook, stagesWanted } from './hooks';
import { attentionLogits, attentionValues, lookAhead, mergeHeads, scaledDotProduct } from './scaledDotProduct';

/** A controller, and the evaluation in which it is called. */
export interface AttentionControl {
  readonly controller: AttentionController;
  readonly evaluation: Evaluation;
}

/** A controller, if there is one, with an evaluation outside the denoising steps: the text encoder's or the VAE's. */
export function outsideOfSteps(
  controller: AttentionController | undefined,
  rows: readonly BatchRow[],
  latents: Grid,
): AttentionControl | undefined {
  return controller && { controller, evaluation: { step: 0, steps: 1, timestep: 0, latents, rows } };
}

/** The two ways a layer can compute its attention. */
export interface AttentionWays {
  /** When no controller looks inside. @returns [rows, queries, heads x headSize] */
  free(): tf.Tensor3D;
  /** The queries, keys and values, for a controller that does. */
  qkv(): Qkv;
  /** Whether each token attends only to itself and the tokens before it. */
  readonly causal?: boolean;
}

/**
 * Computes attention, materialising only what the controller wants to see.
 *
 * @returns [rows, queries, heads x headSize]
 */
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
