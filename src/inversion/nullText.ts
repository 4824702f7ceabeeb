import * as tf from '@tensorflow/tfjs';
import { DDIMSampler } from '../sampler/ddim';
import { Adam } from './adam';
import { walkUp } from './ddim';
import { checkIterations, type InversionTask, type Inverted } from './method';
import type { Trajectory } from './trajectory';

/**
 * Null-text inversion: DDIM's trajectory, then {@link nullTextOptimization}, by default with up to 10 iterations per
 * step.
 */
export async function nullText(task: InversionTask): Promise<Inverted> {
  const { sampler, negative, guidance, iterations, epsilon, found, signal, steps, onProgress } = task;
  if (!(sampler instanceof DDIMSampler)) throw new RangeError('Null-text inversion needs the sampler ddim.');
  if (guidance <= 1)
    throw new RangeError(`Null-text inversion needs a guidance over 1, not ${guidance}. Without guidance, use ddim.`);
  if (iterations !== undefined) checkIterations(iterations);
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
  /** The picture's trajectory; not disposed of. */
  readonly trajectory: Trajectory;
  /**
   * The prediction for latents [1, height, width, channels] and a context [1, tokens, features]; differentiable with
   * respect to the context.
   */
  readonly network: (latents: tf.Tensor4D, step: number, context: tf.Tensor3D) => tf.Tensor4D;
  /** The encoded source prompt and the encoded negative one, each [1, tokens, features]; not disposed of. */
  readonly conditional: tf.Tensor3D;
  readonly unconditional: tf.Tensor3D;
  /** The edits' guidance scale. Default: 7.5. */
  readonly guidance?: number;
  /** The most iterations per step. Default: 10. */
  readonly iterations?: number;
  /** A step ends early when its loss is under this plus 2e-5 for each earlier step. Default: 1e-5. */
  readonly epsilon?: number;
  /**
   * Embeddings of the first steps from an earlier, stopped optimisation: [steps, tokens, features]; not disposed of.
   */
  readonly found?: tf.Tensor3D;
  readonly signal?: AbortSignal;
}

/** The result of one step. */
export interface NullTextStep {
  /** 0 .. steps - 1, starting at the noise. */
  readonly step: number;
  /** Replaces the encoded negative prompt in this step, [1, tokens, features]. The consumer disposes of it. */
  readonly embedding: tf.Tensor3D;
  /**
   * The mean squared distance to the trajectory before each iteration. Empty for a step whose embedding was in `found`.
   */
  readonly losses: readonly number[];
}

/**
 * Null-text inversion (Mokady et al. 2022, arXiv 2211.09794, algorithm 1): with guidance, DDIM leaves the trajectory of
 * its inversion; the embedding of the empty prompt is optimised, step by step, so that it stays on it. An edit with
 * these embeddings in its unconditional rows reconstructs the picture in the source's row.
 *
 * Each step costs one evaluation for the prompt, one with its gradient per iteration, and one with the result. As in
 * the authors' code, each step starts from the embedding of the step before, with a new optimiser.
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
            // Beyond the authors' number of steps, the rate stays at its minimum.
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

/** @param started disposed of, or returned if no iteration runs */
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
