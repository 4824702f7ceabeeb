import * as tf from '@tensorflow/tfjs';
import { classifierFree } from '../guidance/classifierFree';
import { DDIMSampler } from '../sampler/ddim';
import { randomLatents, TorchGenerator } from '../sampler/noise';
import type { Sampler } from '../sampler/sampler';
import type { InversionTask, Inverted } from './method';
import { Trajectory } from './trajectory';

/** The authors' guidance of the source. */
const SOURCE_GUIDANCE = 3.5;

/**
 * Edit-friendly inversion: {@link EditFriendlyNoise}, found with weaker guidance than the edits have. As the authors
 * have it, 0.36 of the steps are skipped by default.
 */
export async function editFriendly(task: InversionTask): Promise<Inverted> {
  const { sampler, picture, seed, steps, negative, guidance, skip = 0.36, onProgress } = task;
  const { sourceGuidance = Math.min(guidance, SOURCE_GUIDANCE) } = task;
  if (!(sampler instanceof DDIMSampler)) throw new RangeError('Edit-friendly inversion is for the sampler ddim.');
  if (!(skip >= 0 && skip < 1))
    throw new RangeError(`A share of the steps from 0 to less than 1 is skipped, not ${skip}.`);
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
 * Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2023, arXiv 2304.06140): the picture gets noise of its own
 * at every step's level, each drawn by itself; the noise that DDPM would have to add in order to come from one to the
 * next is looked for, and an edit adds the same. Begun after some steps were skipped, it keeps the picture's structure.
 */
export class EditFriendlyNoise {
  /** The noisy latents before each step, each [1, height, width, channels], the noisiest first. */
  private readonly noisy: readonly tf.Tensor4D[];
  /** What each step adds, in units of its deviation; each [1, height, width, channels], lent. */
  readonly maps: tf.Tensor4D[] = [];

  /**
   * @param picture its latents, [1, height, width, channels]; stays the caller's
   * @param generator of the noise, drawn from the least noisy level on
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

  /** The noisiest latents; lent. */
  get noisiest(): tf.Tensor4D {
    return this.noisy[0];
  }

  /** Walks from each noisy picture to the next, and finds what a step had to add. For a loop from {@link noisiest}. */
  get finding(): Sampler {
    return {
      timesteps: this.sampler.timesteps,
      step: (prediction, index, latents) => {
        const next = this.noisy[index + 1] ?? this.picture;
        this.maps.push(
          tf.tidy(() => {
            const { mean, deviation } = this.sampler.posterior(prediction, index, latents, 1);
            // The last step adds none, as the authors have it.
            return tf.keep(index < this.last ? tf.div(tf.sub(next, mean), deviation) : tf.zerosLike(mean));
          }),
        );
        return next.clone();
      },
    };
  }

  /**
   * An edit's start and its steps, which add what was found.
   *
   * @param skip how many of the noisiest steps are left out
   */
  from(skip: number): { readonly noise: tf.Tensor4D; readonly sampler: Sampler } {
    if (!(Number.isInteger(skip) && skip >= 0 && skip <= this.last))
      throw new RangeError(`${skip} steps cannot be skipped of ${this.last + 1}.`);
    return {
      noise: this.noisy[skip],
      sampler: adding(this.sampler, skip, (index) => this.maps[skip + index]),
    };
  }

  /** From the picture to its noisiest latents; the caller's to dispose. */
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
 * DDPM's steps with noise that is given.
 *
 * @param skip how many of the noisiest steps are left out
 * @param map what a step that is taken adds, in units of its deviation: [1, height, width, channels], lent
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
