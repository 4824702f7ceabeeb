import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, BatchRow, Role, RunInfo } from '../attention/controller';
import type { Guidance } from '../guidance/guidance';
import type { DenoisingStep } from '../sampler/denoise';
import type { Sampler } from '../sampler/sampler';

/** A step as whoever goes along with a run is told of it: what was predicted, and the latents after it. */
export type TakenStep = Pick<DenoisingStep, 'step' | 'prediction' | 'latents'>;

/** What goes along with a run, such as a recorder: it writes the source down, or has it from an earlier run. */
export interface Companion {
  /** What the run starts from instead of its options' noise, [1, height, width, channels]; the caller's to dispose. */
  noise?(): tf.Tensor4D;
  /** Instead of the options' own. */
  readonly guidance?: Guidance;
  /** The run's sampler, or another in its place. */
  sampler?(usual: Sampler): Sampler;
  /** The run's controller, with what the companion adds to it. */
  around(controller?: AttentionController): AttentionController | undefined;
  /** Whether the network has to compute a row (default: every one). */
  computes?(row: BatchRow): boolean;
  /** What the rows of a role read at a step, [1, tokens, features], where it is not their text. */
  readonly contexts?: Readonly<Partial<Record<Role, (step: number) => tf.Tensor3D>>>;
  /** What the network predicts for the source at this step, where none of its rows is computed. [1, h, w, c] */
  prediction?(): tf.Tensor4D;
  /** Before the first step. @param noise what the run starts from, [1, height, width, channels]; lent until the end */
  begin?(run: RunInfo, noise: tf.Tensor4D): Promise<void>;
  /** After each step. */
  after(step: TakenStep): Promise<void>;
  /** After the last step, an early stop or an error. */
  end?(): Promise<void>;
}
