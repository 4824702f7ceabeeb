import type * as tf from '@tensorflow/tfjs';
import type { RecordOptions } from './recording/recorder';
import type { Recording } from './recording/recording';
import type { DenoisingStep } from './sampler/denoise';
import type { SessionOptions } from './session/options';

/** The options of a run, including recording and a memory limit. */
export interface RunOptions extends SessionOptions {
  /** Records what edits of the source (the first prompt) need, for use as `recording`. */
  readonly record?: RecordOptions;
  /**
   * A recording of the source: only the targets are computed. Options left out are taken from the recording; others
   * must be the same as in it.
   */
  readonly recording?: Recording;
  /**
   * A limit in bytes for the weights and the run: attention is computed in smaller chunks to stay within it, and a run
   * estimated not to fit is refused. Default: no limit.
   */
  readonly memory?: number;
}

/** A run's options, and a callback for its steps. */
export interface GenerateOptions extends RunOptions {
  readonly onStep?: (step: DenoisingStep) => void;
}

/** The result of a run. The caller disposes of its tensors. */
export interface Generation {
  /** [prompts, height, width, 3], -1 to 1. */
  readonly images: tf.Tensor4D;
  /** The latents after the last step, [prompts, height, width, channels], as the UNet uses them. */
  readonly latents: tf.Tensor4D;
  /** What the run started from, [1, height, width, channels]. */
  readonly noise: tf.Tensor4D;
  /**
   * The encoded prompts, [rows, tokens, features]: the unconditional rows (none without guidance), the conditional
   * ones, and any others a guidance adds.
   */
  readonly context: tf.Tensor3D;
}
