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

/** What a denoising loop needs, with optional hooks and a signal to stop it. */
export interface DenoisingOptions {
  readonly sampler: Sampler;
  /** The noise to start from, [rows, height, width, channels]; not disposed of. */
  readonly latents: tf.Tensor4D;
  readonly predict: Predict;
  /**
   * Changes the latents before each step. Runs outside `tf.tidy`; if it returns a new tensor, the loop disposes of it.
   */
  readonly beforeStep?: (latents: tf.Tensor4D, step: number) => tf.Tensor4D | Promise<tf.Tensor4D>;
  /**
   * Changes the latents after each step, for local blend or masks. Runs inside `tf.tidy`, so it must `tf.keep` what it
   * needs later.
   */
  readonly onLatents?: (latents: tf.Tensor4D, call: { step: number; steps: number; timestep: number }) => tf.Tensor4D;
  /** Explains, for the error message, why a step's numbers are not finite. @param latents before the step */
  readonly notFinite?: (latents: tf.Tensor4D, step: number) => Promise<string>;
  /** Stops the run before its next step, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
}

/**
 * One completed step. Its tensors are disposed of when the next step is requested or the run ends; clone what you need
 * longer.
 */
export interface DenoisingStep {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  /** After the step, [rows, height, width, channels]. */
  readonly latents: tf.Tensor4D;
  /** The network's prediction after guidance, in the latents' shape. */
  readonly prediction: tf.Tensor4D;
  readonly seconds: number;
}

/**
 * Takes noise to latents of pictures, step by step. The consumer sets the pace: leaving the loop ends the run, and
 * however it ends, its memory is freed. Between steps it yields to the event loop, for timers, signals and progress
 * bars.
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
      // Clones, because a hook may keep the tensor it is given, or return one that it keeps.
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
        // A GPU computes only when its results are read: without this, steps would queue up and appear to take no time.
        if (!allFinite(await current.data()))
          throw new NotFiniteError(
            `Step ${step} of ${steps} (timestep ${timestep}) produced numbers that are not finite. ${(await notFinite?.(before, step)) ?? ''}`.trim(),
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

/** Waits for a message, because timers take at least a millisecond, four in browsers. */
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
