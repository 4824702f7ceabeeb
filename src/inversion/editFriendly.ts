import * as tf from '@tensorflow/tfjs';
import { classifierFree } from '../guidance/classifierFree';
import { DDIMSampler } from '../sampler/ddim';
import { randomLatents, TorchGenerator } from '../sampler/noise';
import type { Sampler } from '../sampler/sampler';
import type { InversionTask, Inverted } from './method';
import { Trajectory } from './trajectory';

/** The authors' guidance scale for the source. */
const SOURCE_GUIDANCE = 3.5;

/**
 * Edit-friendly inversion: {@link EditFriendlyNoise}, extracted with weaker guidance than that of the edits. By default
 * 0.36 of the steps are skipped, as in the authors' code.
 */
export async function editFriendly(task: InversionTask): Promise<Inverted> {
  const { sampler, picture, seed, steps, negative, guidance, skip = 0.36, onProgress } = task;
  const { sourceGuidance = Math.min(guidance, SOURCE_GUIDANCE) } = task;
  if (!(sampler instanceof DDIMSampler)) throw new RangeError('Edit-friendly inversion needs the sampler ddim.');
  if (!(skip >= 0 && skip < 1))
    throw new RangeError(`The share of skipped steps must be from 0 to less than 1, not ${skip}.`);
  const noise = new EditFriendlyNoise(sampler, picture, new TorchGenerator(seed));
  try {
    const session = await task.session({
      sampler: noise.finding,
      noise: noise.noisiest,
      negative,
      guidance: sourceGuidance,
    });
    try {
      for await (const { step } of session.steps()) await onProgress?.({ task: 'inverting', step, steps });
    } finally {
      await session.end();
    }
  } catch (error) {
    noise.dispose();
    throw error;
  }
  const from = noise.from(Math.trunc(skip * steps));
  return {
    trajectory: noise.trajectory(),
    options: { ...from, negative, guidance: classifierFree([sourceGuidance, guidance]) },
    added: noise.maps.slice(-from.sampler.timesteps.length),
    more: noise,
  };
}

/**
 * Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2023, arXiv 2304.06140): the picture is noised to each
 * step's level with independent noise. From these latents it extracts the noise that DDPM would have to add to get from
 * each to the next, and an edit adds the same noise. An edit that skips the first steps keeps the picture's structure.
 */
export class EditFriendlyNoise {
  /** The noisy latents before each step, each [1, height, width, channels], the noisiest first. */
  private readonly noisy: readonly tf.Tensor4D[];
  /**
   * What each step adds, in units of its standard deviation; each [1, height, width, channels], owned by this object.
   */
  readonly maps: tf.Tensor4D[] = [];

  /**
   * @param picture its latents, [1, height, width, channels]; not disposed of
   * @param generator draws the noise, starting at the least noisy level
   */
  constructor(
    private readonly sampler: DDIMSampler,
    private readonly picture: tf.Tensor4D,
    generator: TorchGenerator,
  ) {
    const [, height, width, channels] = picture.shape;
    this.noisy = sampler.timesteps
      .map((_, i) => sampler.timesteps.length - 1 - i)
      .map((index) => {
        const noise = randomLatents(generator, { height, width, channels });
        const noisy = sampler.addNoise(picture, noise, index);
        noise.dispose();
        return noisy;
      })
      .reverse();
  }

  /** The noisiest latents, owned by this object. */
  get noisiest(): tf.Tensor4D {
    return this.noisy[0];
  }

  /**
   * A sampler that goes from each noisy picture to the next and extracts what the step has to add, for a loop that
   * starts at {@link noisiest}.
   */
  get finding(): Sampler {
    return {
      timesteps: this.sampler.timesteps,
      step: (prediction, index, latents) => {
        const next = this.noisy[index + 1] ?? this.picture;
        this.maps.push(
          tf.tidy(() => {
            const { mean, deviation } = this.sampler.posterior(prediction, index, latents, 1);
            // The last step adds none, as in the authors' code.
            return tf.keep(index < this.last ? tf.div(tf.sub(next, mean), deviation) : tf.zerosLike(mean));
          }),
        );
        return next.clone();
      },
    };
  }

  /**
   * An edit's starting latents, and its sampler, which adds the extracted noise.
   *
   * @param skip how many of the noisiest steps are left out
   */
  from(skip: number): { readonly noise: tf.Tensor4D; readonly sampler: Sampler } {
    if (!(Number.isInteger(skip) && skip >= 0 && skip <= this.last))
      throw new RangeError(`${skip} of ${this.last + 1} steps cannot be skipped.`);
    return {
      noise: this.noisy[skip],
      sampler: adding(this.sampler, skip, (index) => this.maps[skip + index]),
    };
  }

  /** From the picture to its noisiest latents. The caller disposes of it. */
  trajectory(): Trajectory {
    return new Trajectory([this.picture, ...[...this.noisy].reverse()].map((latents) => latents.clone()));
  }

  dispose(): void {
    tf.dispose([...this.noisy, ...this.maps]);
  }

  private get last(): number {
    return this.sampler.timesteps.length - 1;
  }
}

/**
 * DDPM's steps with the given noise.
 *
 * @param skip how many of the noisiest steps are left out
 * @param map the noise that a step adds, by the step's index after skipping, in units of its standard deviation: [1,
 *   height, width, channels], not disposed of
 */
export function adding(sampler: DDIMSampler, skip: number, map: (index: number) => tf.Tensor4D): Sampler {
  return {
    timesteps: sampler.timesteps.slice(skip),
    step: (prediction, index, latents) =>
      tf.tidy(() => {
        const { mean, deviation } = sampler.posterior(prediction, skip + index, latents, 1);
        return tf.add(mean, tf.mul(map(index), deviation));
      }),
  };
}
