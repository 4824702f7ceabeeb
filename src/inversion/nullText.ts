import * as tf from '@tensorflow/tfjs';
import { DDIMSampler } from '../sampler/ddim';
import { Adam } from './adam';
import { walkUp } from './ddim';
import type { InversionTask, Inverted } from './method';
import type { Trajectory } from './trajectory';

/** Null-text inversion: DDIM's trajectory, and {@link nullTextOptimization} of up to 10 iterations a step by default. */
export async function nullText(task: InversionTask): Promise<Inverted> {
  const { sampler, negative, guidance, iterations, epsilon, found, signal, steps, onProgress } = task;
  if (!(sampler instanceof DDIMSampler)) throw new RangeError('Null-text inversion is for the sampler ddim.');
  if (guidance <= 1)
    throw new RangeError(
      `Null-text inversion is for edits with guidance, over 1; it is ${guidance}. Without, use ddim.`,
    );
  const trajectory = await walkUp(task);
  const embeddings: tf.Tensor3D[] = [];
  const session = await task.session({ guidance, negative, noise: trajectory.noise });
  const contexts = (['conditional', 'unconditional'] as const).map((role) => session.context([{ prompt: 0, role }]));
  try {
    for await (const { step, embedding, losses } of nullTextOptimization({
      sampler,
      trajectory,
      network: (latents, step, context) =>
        session.evaluate(latents, step, { rows: [{ prompt: 0, role: 'unconditional' }], context, controller: null }),
      conditional: contexts[0],
      unconditional: contexts[1],
      guidance,
      iterations,
      epsilon,
      found,
      signal,
    })) {
      embeddings.push(embedding);
      await onProgress?.({ task: 'optimising', step, steps, loss: losses[losses.length - 1], embedding });
    }
    return { trajectory, embeddings, options: { noise: trajectory.noise, context: { unconditional: embeddings } } };
  } catch (error) {
    trajectory.dispose();
    tf.dispose(embeddings);
    throw error;
  } finally {
    tf.dispose(contexts);
    await session.end();
  }
}

export interface NullTextOptions {
  readonly sampler: DDIMSampler;
  /** Of the picture; stays the caller's. */
  readonly trajectory: Trajectory;
  /**
   * [1, height, width, channels] and [1, tokens, features] to a prediction; differentiable with respect to the latter.
   */
  readonly network: (latents: tf.Tensor4D, step: number, context: tf.Tensor3D) => tf.Tensor4D;
  /** The encoded source prompt and the encoded negative one, each [1, tokens, features]; stay the caller's. */
  readonly conditional: tf.Tensor3D;
  readonly unconditional: tf.Tensor3D;
  /** What the edits will have; 7.5 by default. */
  readonly guidance?: number;
  /** The most that a step takes; 10 by default. */
  readonly iterations?: number;
  /** A step ends early when its loss is under this, and 2e-5 more for each step before; 1e-5 by default. */
  readonly epsilon?: number;
  /** Embeddings of the first steps, found before: [steps, tokens, features]; stays the caller's. */
  readonly found?: tf.Tensor3D;
  readonly signal?: AbortSignal;
}

/** What one step has found. */
export interface NullTextStep {
  /** 0 .. steps - 1, from noise on. */
  readonly step: number;
  /** Instead of the negative prompt in this step, [1, tokens, features]; the receiver's to dispose. */
  readonly embedding: tf.Tensor3D;
  /** Before each iteration: the mean square of the distance to the trajectory. None for a step that was found before. */
  readonly losses: readonly number[];
}

/**
 * Null-text inversion (Mokady et al. 2022, arXiv 2211.09794, algorithm 1): with guidance, DDIM leaves the trajectory of
 * its inversion; the embedding of the empty prompt is optimised step by step until it stays there. An edit with these
 * embeddings in its unconditional rows reconstructs the picture in the source's row.
 *
 * Each step costs one evaluation for the prompt, one with its gradient an iteration, and one with the result. As in the
 * authors' code, each begins with the embedding of the step before and an optimiser of its own.
 */
export async function* nullTextOptimization({
  sampler,
  trajectory,
  network,
  conditional,
  unconditional,
  guidance = 7.5,
  iterations = 10,
  epsilon = 1e-5,
  found,
  signal,
}: NullTextOptions): AsyncGenerator<NullTextStep, void, undefined> {
  let latents = trajectory.noise.clone();
  let embedding = unconditional.clone();
  try {
    for (const step of sampler.timesteps.keys()) {
      signal?.throwIfAborted();
      const prompt = network(latents, step, conditional);
      const next = (embedding: tf.Tensor3D): tf.Tensor4D =>
        tf.tidy(() => {
          const empty = network(latents, step, embedding);
          return sampler.step(tf.add(empty, tf.mul(tf.sub(prompt, empty), guidance)), step, latents);
        });
      const known = found && step < found.shape[0];
      const started = known ? tf.slice(found, step, 1) : embedding.clone();
      const { optimized, losses } = known
        ? { optimized: started, losses: [] }
        : await optimize(started, {
            loss: (embedding) => tf.losses.meanSquaredError(trajectory.after(step), next(embedding)),
            // Past what the authors run, the rate stays.
            rate: 0.01 * Math.max(1 - step / 100, 0.1),
            iterations,
            enough: epsilon + 2e-5 * step,
          });
      const stepped = next(optimized);
      tf.dispose([latents, embedding, prompt]);
      [latents, embedding] = [stepped, optimized];
      yield { step, embedding: embedding.clone(), losses };
    }
  } finally {
    tf.dispose([latents, embedding]);
  }
}

/** @param started freed, or given back */
async function optimize(
  started: tf.Tensor3D,
  {
    loss,
    rate,
    iterations,
    enough,
  }: {
    readonly loss: (x: tf.Tensor3D) => tf.Scalar;
    readonly rate: number;
    readonly iterations: number;
    readonly enough: number;
  },
): Promise<{ optimized: tf.Tensor3D; losses: number[] }> {
  const optimizer = new Adam(rate);
  const losses: number[] = [];
  const lossAndGradient = tf.valueAndGrad(loss as (x: tf.Tensor) => tf.Scalar);
  let x = started;
  try {
    while (losses.length < iterations && !(losses[losses.length - 1] < enough)) {
      const { value, grad } = lossAndGradient(x);
      const moved = optimizer.step(x, grad as tf.Tensor3D);
      losses.push((await value.data())[0]);
      tf.dispose([value, grad, x]);
      x = moved;
    }
    return { optimized: x, losses };
  } finally {
    optimizer.dispose();
  }
}
