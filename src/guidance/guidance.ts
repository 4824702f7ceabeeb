import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, Evaluate, Role } from '../attention/controller';

/** Rows that a guidance needs besides the conditional ones, one a prompt. */
export interface GuidanceRow {
  readonly role: Role;
  /** What the rows read: the prompt's own text, its negative prompt, or one text for all prompts. */
  readonly text: 'prompt' | 'negative' | { readonly of: string };
}

/** The network's predictions by role, each [prompts, height, width, channels]. */
export type Predictions = Readonly<Record<Role, tf.Tensor4D>>;

/** The step at which a guidance is asked. */
export interface GuidanceCall {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  /** The numbers of the prompts that are computed, one for each row of a prediction; 0 is the source. */
  readonly prompts: readonly number[];
  /** Before the step, [prompts, height, width, channels]. */
  readonly latents: tf.Tensor4D;
  /** Asks the network once more. */
  readonly evaluate: Evaluate;
}

/**
 * Which rows the network evaluates besides the conditional ones, and what the prediction becomes by them. Several
 * compose: each gets what the one before made.
 */
export interface Guidance {
  /** With its settings, such as `perturbedAttention(3)`: a recording tells guidances apart by it. */
  readonly name: string;
  readonly rows: readonly GuidanceRow[];
  /**
   * Runs inside `tf.tidy`, and must be differentiable: tensor operations only.
   *
   * @param prediction so far, [prompts, height, width, channels]: at first the conditional one
   * @param predictions those of its own rows and the conditional ones. A prompt whose row was left out has its
   *   conditional prediction there, so that guidance leaves it as it is
   * @returns the prediction from there on
   */
  guide(prediction: tf.Tensor4D, predictions: Predictions, call: GuidanceCall): tf.Tensor4D;
  /** What makes its rows differ from others. It should touch no row of another role. */
  readonly controller?: AttentionController;
}
