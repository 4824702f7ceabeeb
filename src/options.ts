import type * as tf from '@tensorflow/tfjs';
import type { RecordOptions } from './recording/recorder';
import type { Recording } from './recording/recording';
import type { DenoisingStep } from './sampler/denoise';
import type { SessionOptions } from './session/options';

/** How a run goes, and what is around it: a recording, a limit of memory. */
export interface RunOptions extends SessionOptions {
  /** Writes down what edits of the source, the first prompt, need of it: for `recording`. */
  readonly record?: RecordOptions;
  /**
   * The source's run, made before: only the targets are computed. Options left out are the recording's; others must be
   * the same.
   */
  readonly recording?: Recording;
  /**
   * Bytes for the weights and the run: attention keeps to it by smaller chunks, and what by estimate does not fit is
   * refused. Default: no limit.
   */
  readonly memory?: number;
}

/** A run's options, and who is told of its steps. */
export interface GenerateOptions extends RunOptions {
  readonly onStep?: (step: DenoisingStep) => void;
}

/** What a run made. The tensors are the caller's to dispose. */
export interface Generation {
  /** [prompts, height, width, 3], -1 to 1. */
  readonly images: tf.Tensor4D;
  /** Of the last step, [prompts, height, width, channels], as the UNet knows them. */
  readonly latents: tf.Tensor4D;
  /** What the run started from, [1, height, width, channels]. */
  readonly noise: tf.Tensor4D;
  /**
   * The encoded prompts, [rows, tokens, features]: the unconditional rows (none without guidance), the conditional, and
   * what else a guidance wants.
   */
  readonly context: tf.Tensor3D;
}
