import type * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import type { Sampler } from '../sampler/sampler';
import type { SessionOptions } from '../session/options';
import type { Session } from '../session/session';
import type { Trajectory } from './trajectory';

/** A picture to invert, and what methods work with. */
export interface InversionTask {
  /** Its latents, [1, height, width, channels]; stays the caller's. */
  readonly picture: tf.Tensor4D;
  readonly prompt: string;
  /** What the edits are to be guided away from. */
  readonly negative: string;
  /** The edits' scale of guidance. */
  readonly guidance: number;
  /** From noise to the picture, as the edits will go. */
  readonly sampler: Sampler;
  readonly steps: number;
  /** How often the network is asked in a step, where a method asks more than once. Default: the method's. */
  readonly iterations?: number;
  /** Null-text optimisation ends a step when its loss is under this, and 2e-5 more for each step before. Default: 1e-5. */
  readonly epsilon?: number;
  /**
   * How strongly the source's prompt is followed by edit-friendly inversion and beside its edits (default: 3.5 at most),
   * or left by h-edit's (default: 0.9 of `guidance`).
   */
  readonly sourceGuidance?: number;
  /** The share of the steps that edit-friendly edits leave out. Default: 0.36. */
  readonly skip?: number;
  /** Of the noise that edit-friendly inversion draws. */
  readonly seed: number | bigint;
  /** What null-text optimisation has found before it was stopped: [steps, tokens, features]; stays the caller's. */
  readonly found?: tf.Tensor3D;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: InversionProgress) => void | Promise<void>;
  /** A run of the prompt alone, set up. */
  session(options: SessionOptions): Promise<Session>;
}

/** One step that was taken. */
export interface InversionProgress {
  readonly task: 'inverting' | 'optimising';
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  /** Of null-text optimisation, after the step's last iteration. */
  readonly loss?: number;
  /** What null-text optimisation has found for the step, [1, tokens, features]; lent. */
  readonly embedding?: tf.Tensor3D;
}

/** What a method makes of a picture. */
export interface Inverted {
  /** From the picture's latents to noise. */
  readonly trajectory: Trajectory;
  /** What an edit's run needs besides its prompts: the noise to start from, and what keeps to the picture. */
  readonly options: Omit<SessionOptions, 'controller'>;
  /** Before the edit's own controllers. */
  readonly controller?: AttentionController;
  /** Of null-text inversion: what the unconditional rows read, [1, tokens, features] a step, from noise on. */
  readonly embeddings?: readonly tf.Tensor3D[];
  /** Of edit-friendly inversion: what each step of an edit adds, [1, height, width, channels] a step; lent. */
  readonly added?: readonly tf.Tensor4D[];
  /** What is to be freed besides the trajectory and the embeddings. */
  readonly more?: { dispose(): void };
}

/** A method by which a picture is taken to noise, so that edits of it begin there. */
export type InversionMethod = (task: InversionTask) => Promise<Inverted>;
