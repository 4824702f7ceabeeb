import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, BatchRow, Role, RunInfo } from '../attention/controller';
import type { Guidance } from '../guidance/guidance';
import type { DenoisingStep } from '../sampler/denoise';
import type { Sampler } from '../sampler/sampler';

/** A step as a companion sees it: what was predicted, and the latents after it. */
export type TakenStep = Pick<DenoisingStep, 'step' | 'prediction' | 'latents'>;

/** Accompanies a run: a recorder, which saves the source, or a playback, which supplies it from an earlier run. */
export interface Companion {
  /**
   * The noise to start from, instead of that of the options, [1, height, width, channels]. The caller disposes of it.
   */
  noise?(): tf.Tensor4D;
  /** Replaces that of the options. */
  readonly guidance?: Guidance;
  /** Returns the run's sampler, or another to replace it. */
  sampler?(usual: Sampler): Sampler;
  /** The run's controller, with what the companion adds to it. */
  around(controller?: AttentionController): AttentionController | undefined;
  /** Whether the network has to compute a row (default: every one). */
  computes?(row: BatchRow): boolean;
  /** What the rows of a role read at a step, [1, tokens, features], if it is not their text. */
  readonly contexts?: Readonly<Partial<Record<Role, (step: number) => tf.Tensor3D>>>;
  /** The source's prediction at this step, [1, height, width, channels], if none of its rows is computed. */
  prediction?(): tf.Tensor4D;
  /**
   * Called before the first step.
   *
   * @param noise what the run starts from, [1, height, width, channels]; valid until the end of the run
   */
  begin?(run: RunInfo, noise: tf.Tensor4D): Promise<void>;
  /** Called after each step. */
  after(step: TakenStep): Promise<void>;
  /** Called after the last step, an early stop or an error. */
  end?(): Promise<void>;
}
