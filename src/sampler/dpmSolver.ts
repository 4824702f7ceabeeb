import * as tf from '@tensorflow/tfjs';
import { type NoiseLevel, predictedOriginal, thresholdSample } from './prediction';
import type { InverseSampler, Sampler } from './sampler';
import { alphasCumprod, checkTimesteps, linspace, roundHalfEven, trailingTimesteps } from './schedule';
import type { SchedulerConfig } from './schedulers';

type DPMSolverConfig = SchedulerConfig<'dpm++'>;

/** DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095), multistep, like diffusers' `DPMSolverMultistepScheduler`. */
export class DPMSolverSampler implements Sampler {
  readonly timesteps: readonly number[];
  /** sigma / alpha at each timestep, and at the end. */
  private readonly sigmas: Float32Array;
  /** The pictures predicted in the last steps, newest first; at most as many as the solver's order. */
  private originals: tf.Tensor4D[] = [];

  /**
   * @param levels the noise levels to step through; by default down from noise
   * @throws RangeError if `steps` is out of range
   */
  constructor(
    readonly config: DPMSolverConfig,
    private readonly steps: number,
    levels = noiseLevels(config, steps),
  ) {
    this.timesteps = levels.timesteps;
    this.sigmas = levels.sigmas;
  }

  /**
   * The same solver, going up from the lowest noise level seen in training (diffusers'
   * `DPMSolverMultistepInverseScheduler`). The network is evaluated at the timestep that a step starts from.
   */
  inverse(): InverseSampler {
    const { timesteps, sigmas } = this;
    return new DPMSolverSampler(this.config, this.steps, {
      timesteps: [0, ...timesteps.slice(1).reverse()],
      sigmas: Float32Array.of(trainedLevels(this.config).sigmas[0], ...sigmas.slice(0, -1).reverse()),
    });
  }

  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D {
    if (index === 0) this.end();
    return tf.tidy(() => {
      const original = predictedOriginal(this.config.prediction_type, prediction, latents, level(this.sigmas[index]));
      this.remember(this.config.thresholding ? thresholdSample(original, this.config) : original);
      const [latentsWeight, ...weights] = this.weights(index, this.order(index));
      const terms = weights.map((weight, i) => tf.mul(this.originals[i], weight) as tf.Tensor4D);
      return terms.reduce((sum, term) => tf.add(sum, term), tf.mul(latents, latentsWeight) as tf.Tensor4D);
    });
  }

  end(): void {
    tf.dispose(this.originals);
    this.originals = [];
  }

  private remember(original: tf.Tensor4D): void {
    this.originals.unshift(tf.keep(original.clone()));
    tf.dispose(this.originals.splice(this.config.solver_order));
  }

  /**
   * The solver's order at this step: lower at the start, before there are earlier predictions, and at the end of a
   * short run.
   */
  private order(index: number): number {
    const { lower_order_final, euler_at_final } = this.config;
    const left = this.timesteps.length - 1 - index;
    const short = lower_order_final && this.timesteps.length < 15;
    if (left === 0 && (euler_at_final || short || this.sigmas[index + 1] === 0)) return 1;
    return Math.min(this.originals.length, left === 1 && short ? 2 : 3);
  }

  /**
   * The next latents as a weighted sum: the weight of the latents, then those of the remembered originals, newest first
   * (equations of section 4 and appendix B, with the divided differences multiplied out).
   */
  private weights(index: number, order: number): number[] {
    const next = level(this.sigmas[index + 1]);
    const now = level(this.sigmas[index]);
    const lambdas = [index + 1, index, index - 1, index - 2].map((i) => lambda(this.sigmas[i]));
    const h = Math.fround(lambdas[0] - lambdas[1]);
    const decay = Math.expm1(-h);
    const first = [next.sigma / now.sigma, -next.alpha * decay];
    // With final sigma `sigma_min`, a run on Karras levels ends with a step between equal levels, and its inverse
    // begins with one; no slope can be computed from such a step.
    const still = lambdas.findIndex((level, i) => level === lambdas[i - 1]);
    const distinct = still < 0 ? order : Math.min(order, still - 1);
    if (distinct <= 1) return first;

    const r0 = Math.fround(lambdas[1] - lambdas[2]) / h;
    const slope = next.alpha * (decay / h + 1);
    if (distinct === 2) {
      const difference = (this.config.solver_type === 'heun' ? slope : -0.5 * next.alpha * decay) / r0;
      return [first[0], first[1] + difference, -difference];
    }
    const r1 = Math.fround(lambdas[2] - lambdas[3]) / h;
    const curve = -next.alpha * ((decay + h) / h ** 2 - 0.5);
    const bend = (slope * r0 + curve) / (r0 + r1);
    const newer = (slope + bend) / r0;
    const older = -bend / r1;
    return [first[0], first[1] + newer, older - newer, -older];
  }
}

function level(sigma: number): NoiseLevel {
  const alpha = Math.fround(1 / Math.sqrt(sigma * sigma + 1));
  return { alpha, sigma: Math.fround(sigma * alpha) };
}

/**
 * Half the log of the signal-to-noise ratio, rounded to float32 like the reference, because its differences are small.
 */
function lambda(sigma: number): number {
  const { alpha, sigma: scaled } = level(sigma);
  return Math.fround(Math.fround(Math.log(alpha)) - Math.fround(Math.log(scaled)));
}

/** The training's noise levels: the cumulative products of alphas, and sigma / alpha, at each timestep. */
function trainedLevels(config: DPMSolverConfig): { products: Float32Array; sigmas: Float32Array } {
  const products = alphasCumprod(config);
  // Just over 0, so that the first sigma is finite.
  if (config.rescale_betas_zero_snr) products[products.length - 1] = 2 ** -24;
  return { products, sigmas: products.map((product) => Math.sqrt(Math.fround(Math.fround(1 - product) / product))) };
}

function noiseLevels(config: DPMSolverConfig, steps: number): { timesteps: number[]; sigmas: Float32Array } {
  const { products, sigmas: trained } = trainedLevels(config);
  const last = config.final_sigmas_type === 'zero' ? 0 : trained[0];
  const { timesteps, sigmas } = config.use_karras_sigmas
    ? karrasLevels(config, steps, trained)
    : spacedLevels(config, steps, products, trained);
  if (sigmas.some((sigma, i) => sigma >= sigmas[i - 1]))
    throw new RangeError(`${steps} steps are too many for DPM-Solver++: some would not change the noise level.`);
  return { timesteps, sigmas: Float32Array.of(...sigmas, last) };
}

interface Levels {
  readonly timesteps: number[];
  readonly sigmas: number[];
}

function spacedLevels(config: DPMSolverConfig, steps: number, products: Float32Array, trained: Float32Array): Levels {
  const timesteps = spacedTimesteps(config, steps, products);
  checkTimesteps(timesteps, trained.length);
  return { timesteps, sigmas: timesteps.map((timestep) => trained[timestep]) };
}

function karrasLevels(config: DPMSolverConfig, steps: number, trained: Float32Array): Levels {
  const sigmas = karrasSigmas(config.sigma_min ?? trained[0], config.sigma_max ?? trained[trained.length - 1], steps);
  const logs = trained.map(Math.log);
  const whole = config.beta_schedule === 'squaredcos_cap_v2' ? Math.floor : roundHalfEven;
  return { timesteps: sigmas.map((sigma) => whole(timestepOf(Math.log(sigma), logs))), sigmas };
}

/** Karras et al. 2022 (arXiv 2206.00364), equation 5, rho 7. */
function karrasSigmas(min: number, max: number, steps: number): number[] {
  const rho = 7;
  const from = max ** (1 / rho);
  const to = min ** (1 / rho);
  return linspace(0, 1, steps).map((ramp) => (from + ramp * (to - from)) ** rho);
}

/** The fractional training timestep of a noise level, interpolated between two of the training's levels. */
function timestepOf(logSigma: number, logs: Float32Array): number {
  const above = logs.findIndex((log) => log > logSigma);
  const low = Math.min(Math.max((above < 0 ? logs.length : above) - 1, 0), logs.length - 2);
  const weight = (logs[low] - logSigma) / Math.fround(logs[low] - logs[low + 1]);
  return low + Math.min(Math.max(weight, 0), 1);
}

function spacedTimesteps(config: DPMSolverConfig, steps: number, products: Float32Array): number[] {
  const { num_train_timesteps: total, timestep_spacing, steps_offset, lambda_min_clipped } = config;
  const lambdas = products.map(
    (product) => Math.fround(Math.log(Math.sqrt(product))) - Math.fround(Math.log(Math.sqrt(Math.fround(1 - product)))),
  );
  const last = total - lambdas.filter((lambda) => lambda < lambda_min_clipped).length;
  switch (timestep_spacing) {
    case 'linspace':
      return linspace(0, last - 1, steps + 1)
        .map(roundHalfEven)
        .reverse()
        .slice(0, -1);
    case 'leading': {
      const ratio = Math.floor(last / (steps + 1));
      return Array.from({ length: steps }, (_, i) => (steps - i) * ratio + steps_offset);
    }
    case 'trailing':
      return trailingTimesteps(last, total / steps);
  }
}
