import type * as tf from '@tensorflow/tfjs';
import type { ConfigFile } from '../config';
import { DDIMSampler } from './ddim';
import { DPMSolverSampler } from './dpmSolver';
import type { TorchGenerator } from './noise';
import { levelOf, predictedOriginal } from './prediction';
import type { Sampler } from './sampler';
import { alphasCumprod } from './schedule';
import {
  foreignOption,
  isSamplerName,
  readSchedulerConfig,
  SAMPLERS,
  type SamplerName,
  SCHEDULERS,
  type SchedulerConfig,
  samplersWith,
} from './schedulers';

/** The options of a sampler. */
export interface SamplerOptions {
  /** Default: `ddim`, which the authors of Prompt-to-Prompt use. */
  readonly sampler?: SamplerName;
  readonly steps: number;
  /** DDIM only: how much fresh noise each step adds, from 0 (none, the default) to 1 (as much as DDPM). */
  readonly eta?: number;
  /** The source of fresh noise; needed if `eta` is over 0. */
  readonly generator?: TorchGenerator;
  /** DPM-Solver++ only: whether to use Karras noise levels. Default: the checkpoint's setting. */
  readonly karras?: boolean;
}

/** Makes the sampler for each of the {@link SCHEDULERS}. */
const MAKE: {
  readonly [Name in SamplerName]: (config: SchedulerConfig<Name>, options: SamplerOptions) => Sampler;
} = {
  ddim: (config, { steps, eta, generator }) => new DDIMSampler(config, steps, eta, generator),
  'dpm++': (config, { steps, karras = config.use_karras_sigmas }) =>
    new DPMSolverSampler({ ...config, use_karras_sigmas: karras }, steps),
};

/**
 * The sampler that diffusers would make from the checkpoint's scheduler config, whatever class that config names: by
 * `from_config` of the sampler's own class, such as `DDIMScheduler` for `ddim`.
 *
 * @throws ConfigError if the config asks for something not supported; RangeError for options out of range, or an
 *   unknown sampler
 */
export function createSampler(scheduler: ConfigFile, options: SamplerOptions): Sampler {
  const { sampler = 'ddim', steps } = options;
  if (!isSamplerName(sampler))
    throw new RangeError(
      `There is no sampler ${JSON.stringify(sampler)}. Choose from ${SAMPLERS.map(inFull).join(', ')}.`,
    );
  if (!(Number.isInteger(steps) && steps > 0))
    throw new RangeError(`The number of steps is ${steps}: it must be a positive whole number.`);
  const foreign = foreignOption(sampler, options);
  if (foreign)
    throw new RangeError(
      `${foreign} is ${options[foreign]}, and the sampler ${inFull(sampler)} has no such option. Leave it out, or use a sampler that has it: ${samplersWith(foreign)}.`,
    );
  return make(sampler, scheduler, options);
}

/**
 * The picture without noise that the network's prediction for latents at a training timestep stands for; all
 * [rows, height, width, channels].
 *
 * @throws ConfigError if the config asks for something not supported
 */
export function originalAt(
  scheduler: ConfigFile,
  prediction: tf.Tensor4D,
  latents: tf.Tensor4D,
  timestep: number,
): tf.Tensor4D {
  const config = readSchedulerConfig('ddim', scheduler);
  return predictedOriginal(config.prediction_type, prediction, latents, levelOf(alphasCumprod(config)[timestep]));
}

function make<Name extends SamplerName>(sampler: Name, scheduler: ConfigFile, options: SamplerOptions): Sampler {
  return MAKE[sampler](readSchedulerConfig(sampler, scheduler), options);
}

/** `ddim (DDIMScheduler)` */
function inFull(sampler: SamplerName): string {
  return `${sampler} (${SCHEDULERS[sampler].className})`;
}
