import type * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import type { Sampler } from '../sampler/sampler';
import type { SessionOptions } from '../session/options';
import type { Session } from '../session/session';
import type { Trajectory } from './trajectory';

/** A picture to invert, and what the methods need to do it. */
export interface InversionTask {
  /** Its latents, [1, height, width, channels]; not disposed of. */
  readonly picture: tf.Tensor4D;
  readonly prompt: string;
  /** The negative prompt of the edits. */
  readonly negative: string;
  /** The edits' guidance scale. */
  readonly guidance: number;
  /** The sampler that the edits will use, from noise to the picture. */
  readonly sampler: Sampler;
  readonly steps: number;
  /**
   * Evaluations of the network per step, for fixed-point inversion, or the most optimiser iterations per step, for
   * null-text inversion. Default: the method's.
   */
  readonly iterations?: number;
  /**
   * Null-text optimisation ends a step early when its loss is under this plus 2e-5 for each earlier step. Default:
   * 1e-5.
   */
  readonly epsilon?: number;
  /**
   * The source's guidance scale: towards its prompt in edit-friendly inversion and its edits (default: `guidance`, but
   * at most 3.5), or away from it in the edits of h-edit (default: 0.9 of `guidance`).
   */
  readonly sourceGuidance?: number;
  /** The share of the steps that edit-friendly edits skip. Default: 0.36. */
  readonly skip?: number;
  /** The seed of the noise that edit-friendly inversion draws. */
  readonly seed: number | bigint;
  /**
   * The embeddings that null-text optimisation had found before it was stopped: [steps, tokens, features]; not disposed
   * of.
   */
  readonly found?: tf.Tensor3D;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: InversionProgress) => void | Promise<void>;
  /** Sets up a run of the prompt alone. */
  session(options: SessionOptions): Promise<Session>;
}

/** Reported after each step. */
export interface InversionProgress {
  readonly task: 'inverting' | 'optimising';
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  /** For null-text optimisation: the loss in the step's last iteration. */
  readonly loss?: number;
  /** The embedding that null-text optimisation found for the step, [1, tokens, features]; owned by the inversion. */
  readonly embedding?: tf.Tensor3D;
}

/** The result of inverting a picture. */
export interface Inverted {
  /** From the picture's latents to noise. */
  readonly trajectory: Trajectory;
  /**
   * What an edit's run needs besides its prompts: the noise to start from, and the settings that keep it close to the
   * picture.
   */
  readonly options: Omit<SessionOptions, 'controller'>;
  /** Composed before the edit's own controllers. */
  readonly controller?: AttentionController;
  /**
   * For null-text inversion: what the unconditional rows read, [1, tokens, features] per step, starting at the noise.
   */
  readonly embeddings?: readonly tf.Tensor3D[];
  /**
   * For edit-friendly inversion: the noise that each step of an edit adds, [1, height, width, channels]; owned by
   * `more`.
   */
  readonly added?: readonly tf.Tensor4D[];
  /** What else to dispose of, besides the trajectory and the embeddings. */
  readonly more?: { dispose(): void };
}

/** A method that takes a picture to noise, where edits of it then begin. */
export type InversionMethod = (task: InversionTask) => Promise<Inverted>;

/** @throws RangeError for a number of iterations that is not a whole number of at least 1 */
export function checkIterations(iterations: number): void {
  if (!(Number.isInteger(iterations) && iterations > 0))
    throw new RangeError(`The number of iterations is ${iterations}: it must be a positive whole number.`);
}
