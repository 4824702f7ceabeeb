import * as tf from '@tensorflow/tfjs';
import { allFinite, NotFiniteError } from '../finite';
import type { Sampler } from './sampler';

/**
 * The network as a sampler sees it.
 *
 * @param latents [rows, height, width, channels]
 * @param timestep the training timestep, such as 981
 * @param step 0 .. steps - 1
 * @returns the prediction, of the latents' shape
 */
export type Predict = (latents: tf.Tensor4D, timestep: number, step: number) => tf.Tensor4D;

/** What a denoising loop needs, and what may watch or stop it. */
export interface DenoisingOptions {
  readonly sampler: Sampler;
  /** The noise to start from, [rows, height, width, channels]; stays the caller's. */
  readonly latents: tf.Tensor4D;
  readonly predict: Predict;
  /**
   * Changes the latents before each step. Runs outside of `tf.tidy`; what it returns, if not what it was given, is the
   * loop's to dispose.
   */
  readonly beforeStep?: (latents: tf.Tensor4D, step: number) => tf.Tensor4D | Promise<tf.Tensor4D>;
  /**
   * Changes the latents after each step: local blend, masks. Runs inside `tf.tidy`; what it wants to have later, it
   * keeps.
   */
  readonly onLatents?: (latents: tf.Tensor4D, call: { step: number; steps: number; timestep: number }) => tf.Tensor4D;
  /** What to say of a step that makes numbers which are not finite. @param latents before the step */
  readonly notFinite?: (latents: tf.Tensor4D, step: number) => Promise<string>;
  /** Stops the run before its next step, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
}

/**
 * One step that was taken. Both tensors are lent until the next step is asked for or the run ends: clone what is to
 * last.
 */
export interface DenoisingStep {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  /** After the step, [rows, height, width, channels]. */
  readonly latents: tf.Tensor4D;
  /** What the network said, after guidance; of the latents' shape. */
  readonly prediction: tf.Tensor4D;
  readonly seconds: number;
}

/**
 * Takes noise to latents of pictures, step by step. Whoever iterates owns the pace: leaving the loop ends the run, and
 * whatever way it ends, nothing of it stays in memory. Between steps the event loop gets its turn, for timers, signals
 * and progress bars.
 */
export async function* denoise({
  sampler,
  latents,
  predict,
  beforeStep,
  onLatents,
  notFinite,
  signal,
}: DenoisingOptions): AsyncGenerator<DenoisingStep, void, undefined> {
  const steps = sampler.timesteps.length;
  let current = tf.clone(latents);
  let prediction: tf.Tensor4D | undefined;
  try {
    for (const [step, timestep] of sampler.timesteps.entries()) {
      await eventLoop();
      signal?.throwIfAborted();
      const start = performance.now();
      const ready = (await beforeStep?.(current, step)) ?? current;
      if (ready !== current) current.dispose();
      current = ready;
      // Clones, because a hook may keep the very tensor that it was given, or give one that it keeps.
      const taken = tf.tidy(() => {
        const prediction = predict(current, timestep, step);
        const stepped = sampler.step(prediction, step, current);
        const next = onLatents ? onLatents(stepped, { step, steps, timestep }) : stepped;
        return { prediction: tf.clone(prediction), latents: tf.clone(next) };
      });
      prediction?.dispose();
      prediction = taken.prediction;
      const before = current;
      current = taken.latents;
      try {
        // A GPU computes when it is asked for the numbers: without this, steps would pile up and take no time.
        if (!allFinite(await current.data()))
          throw new NotFiniteError(
            `Step ${step} of ${steps} (timestep ${timestep}) made numbers that are not finite. ${(await notFinite?.(before, step)) ?? ''}`.trim(),
          );
      } finally {
        before.dispose();
      }
      yield { step, steps, timestep, latents: current, prediction, seconds: (performance.now() - start) / 1000 };
    }
  } finally {
    tf.dispose([current, prediction ?? []]);
    sampler.end?.();
  }
}

/** By a message, as timers take a millisecond at least, in browsers four. */
function eventLoop(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
