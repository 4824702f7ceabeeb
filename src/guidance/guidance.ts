import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, Evaluate, Role } from '../attention/controller';

/** Rows that a guidance needs besides the conditional ones, one per prompt. */
export interface GuidanceRow {
  readonly role: Role;
  /** What the rows read: the prompt's own text, its negative prompt, or one text for all prompts. */
  readonly text: 'prompt' | 'negative' | { readonly of: string };
}

/** The network's predictions by role, each [prompts, height, width, channels]. */
export type Predictions = Readonly<Record<Role, tf.Tensor4D>>;

/** The step at which a guidance is called. */
export interface GuidanceCall {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  /** The numbers of the prompts being computed, one for each row of a prediction; 0 is the source. */
  readonly prompts: readonly number[];
  /** The latents before the step, [prompts, height, width, channels]. */
  readonly latents: tf.Tensor4D;
  /**
   * The picture without noise that a prediction stands for, both [prompts, height, width, channels]: the prediction
   * itself for a network that predicts pictures, else computed with the noise that it predicts.
   */
  original(prediction: tf.Tensor4D): tf.Tensor4D;
  /** Evaluates the network again. */
  readonly evaluate: Evaluate;
}

/**
 * Which rows the network evaluates besides the conditional ones, and how the prediction is computed from them.
 * Guidances compose: each gets the prediction of the one before.
 */
export interface Guidance {
  /** Its name and settings, such as `perturbedAttention(3)`; recordings use it to tell guidances apart. */
  readonly name: string;
  readonly rows: readonly GuidanceRow[];
  /**
   * Runs inside `tf.tidy`, and must be differentiable: tensor operations only.
   *
   * @param prediction the prediction so far, [prompts, height, width, channels]: at first the conditional one
   * @param predictions the conditional ones and those of this guidance's rows. A prompt whose row was left out has its
   *   conditional prediction there, so that guidance does not change it
   * @returns the new prediction
   */
  guide(prediction: tf.Tensor4D, predictions: Predictions, call: GuidanceCall): tf.Tensor4D;
  /** The controller that makes its rows differ from the others. It should not touch rows of another role. */
  readonly controller?: AttentionController;
}
