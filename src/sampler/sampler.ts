import type * as tf from '@tensorflow/tfjs';
import { type ConfigFile, parseConfig } from '../config';
import { DDIMSampler } from './ddim';
import { DPMSolverSampler } from './dpmSolver';
import type { SamplerName } from './names';
import type { TorchGenerator } from './noise';
import { ddimConfig, dpmSolverConfig } from './schedulerConfig';

export { SAMPLERS, type SamplerName } from './names';

/** A schedule and a step rule: how latents lose their noise, given what a network predicts. */
export interface Sampler {
  /** A recording tells samplers of one's own apart by it. */
  readonly name?: string;
  /**
   * The training timesteps at which the network is asked, from the noisiest on. Their number is the number of steps.
   */
  readonly timesteps: readonly number[];
  /**
   * One step towards the picture.
   *
   * @param prediction what the network says at `timesteps[index]`, after guidance; of the latents' shape
   * @param latents [rows, height, width, channels]
   * @returns the next latents, the caller's to dispose
   */
  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D;
  /** After a run's last step, an early stop or an error: frees what was remembered of its steps. */
  end?(): void;
  /**
   * The same schedule walked the other way, where the sampler has that.
   *
   * @throws RangeError if its steps cannot be undone
   */
  inverse?(): InverseSampler;
}

/** From a picture's latents to noise: a sampler whose timesteps rise, and whose steps undo another's. */
export interface InverseSampler extends Sampler {
  /**
   * A step whose prediction was made for other latents than those it starts from: better ones of where it leads. Only
   * where the network is asked at the timestep that a step leads to.
   *
   * @param latents where the step starts @param shown what the network was shown, of the same shape
   */
  refine?(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D, shown: tf.Tensor4D): tf.Tensor4D;
}

/** How a schedule is walked. */
export interface SamplerOptions {
  /** Default: `ddim`, which the authors of Prompt-to-Prompt use. */
  readonly sampler?: SamplerName;
  readonly steps: number;
  /** DDIM only: how much fresh noise each step adds, from 0 (none, the default) to 1 (as much as DDPM). */
  readonly eta?: number;
  /** Where fresh noise comes from; needed if `eta` is over 0. */
  readonly generator?: TorchGenerator;
  /** DPM-Solver++ only: Karras' noise levels; by default as the checkpoint says. */
  readonly karras?: boolean;
}

/**
 * The sampler that diffusers would make by `DDIMScheduler.from_config` or `DPMSolverMultistepScheduler.from_config`
 * of the checkpoint's scheduler config, whatever class that names.
 *
 * @throws ConfigError for what the config asks for and cannot be had; RangeError for options out of range
 */
export function createSampler(
  { json, file }: ConfigFile,
  { sampler = 'ddim', steps, eta = 0, generator, karras }: SamplerOptions,
): Sampler {
  if (!(Number.isInteger(steps) && steps > 0))
    throw new RangeError(`The number of steps is ${steps}: it must be a whole number from 1 on.`);
  if (sampler === 'ddim' && karras)
    throw new RangeError("Karras' noise levels are for the sampler dpm++, not for ddim.");
  if (sampler === 'dpm++' && eta !== 0)
    throw new RangeError(`eta is ${eta}: the sampler dpm++ adds no fresh noise, ddim can.`);
  switch (sampler) {
    case 'ddim':
      return new DDIMSampler(parseConfig(ddimConfig, json, file), steps, eta, generator);
    case 'dpm++': {
      const options = parseConfig(dpmSolverConfig, json, file);
      return new DPMSolverSampler({ ...options, use_karras_sigmas: karras ?? options.use_karras_sigmas }, steps);
    }
  }
}
