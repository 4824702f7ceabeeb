import { z } from 'zod';
import { CheckpointError } from '../weights/error';
import type { ConfigFile } from '../weights/checkpoint';

const flag = (value: boolean) => z.boolean().default(value);
const number = (value: number) => z.number().default(value);
const off = z.literal(false).default(false);

/** What every diffusers scheduler of this family shares, with the defaults that they all have. */
const schedule = {
  num_train_timesteps: z.int().positive().default(1000),
  beta_start: number(0.0001),
  beta_end: number(0.02),
  beta_schedule: z.enum(['linear', 'scaled_linear', 'squaredcos_cap_v2']).default('linear'),
  trained_betas: z.array(z.number()).min(1).nullable().default(null),
  prediction_type: z.enum(['epsilon', 'v_prediction', 'sample']).default('epsilon'),
  thresholding: flag(false),
  dynamic_thresholding_ratio: z.number().min(0).max(1).default(0.995),
  sample_max_value: number(1),
  steps_offset: z.int().nonnegative().default(0),
  rescale_betas_zero_snr: flag(false),
};

/** The options of diffusers' `DDIMScheduler`, under their own names and with their defaults. */
export const ddimConfig = z.object({
  ...schedule,
  timestep_spacing: z.enum(['leading', 'linspace', 'trailing']).default('leading'),
  clip_sample: flag(true),
  clip_sample_range: number(1),
  set_alpha_to_one: flag(true),
});

/** The options of diffusers' `DPMSolverMultistepScheduler`; those that leave DPM-Solver++ are refused. */
export const dpmSolverConfig = z.object({
  ...schedule,
  timestep_spacing: z.enum(['leading', 'linspace', 'trailing']).default('linspace'),
  // What configs of DEIS and UniPC say here, the reference turns into these two.
  algorithm_type: z.enum(['dpmsolver++', 'deis']).default('dpmsolver++'),
  solver_type: z.enum(['midpoint', 'heun', 'logrho', 'bh1', 'bh2']).default('midpoint'),
  solver_order: z.int().min(1).max(3).default(2),
  lower_order_final: flag(true),
  euler_at_final: flag(false),
  final_sigmas_type: z.enum(['zero', 'sigma_min']).default('zero'),
  lambda_min_clipped: z.number().or(z.literal(-Infinity)).default(-Infinity),
  use_karras_sigmas: flag(false),
  use_exponential_sigmas: off,
  use_beta_sigmas: off,
  use_lu_lambdas: off,
  use_flow_sigmas: off,
  use_dynamic_shifting: off,
  // The variance that some networks predict beside the noise is not cut off here, so such a network does not fit.
  variance_type: z.enum(['fixed_small', 'fixed_small_log', 'fixed_large', 'fixed_large_log']).nullable().default(null),
  // Options of other classes, which the reference reads for Karras' sigmas all the same.
  sigma_min: z.number().positive().nullable().default(null),
  sigma_max: z.number().positive().nullable().default(null),
});

export type DDIMConfig = z.infer<typeof ddimConfig>;
export type DPMSolverConfig = z.infer<typeof dpmSolverConfig>;
export type ScheduleConfig = DDIMConfig | DPMSolverConfig;

/**
 * Options of diffusers' other schedulers. `from_config` leaves them aside where its class has no such option, and so do we;
 * any other name is refused, because it may ask for what we would not do.
 */
const OTHER_OPTIONS = [
  'corrector_order', 'disable_corrector', 'flow_shift', 'interpolation_type', 'original_inference_steps', 'predict_x0', 'predictor_order',
  'skip_prk_steps', 'solver_p', 'time_shift_type', 'timestep_scaling', 'timestep_type',
];
const KNOWN_OPTIONS = new Set([...Object.keys(ddimConfig.shape), ...Object.keys(dpmSolverConfig.shape), ...OTHER_OPTIONS]);

/**
 * The options of one scheduler class, from a checkpoint's `scheduler_config.json` of whatever class it names, as diffusers' `from_config`
 * takes them: the options that both classes have keep their values, the others take the defaults of the class that is made.
 *
 * @throws CheckpointError naming the file, the key and the value that cannot be had
 */
export function schedulerConfig<T extends z.ZodType>(schema: T, { file, json }: ConfigFile): z.infer<T> {
  const found = schema.safeParse(json);
  if (!found.success) throw new CheckpointError(`${file}: ${found.error.issues.map((issue) => problem(issue, json)).join('; ')}.`);
  const unknown = Object.keys(json as object).filter((key) => !key.startsWith('_') && !KNOWN_OPTIONS.has(key));
  if (unknown.length > 0) {
    throw new CheckpointError(`${file}: no scheduler of the kinds known here has an option ${unknown.map((key) => `"${key}"`).join(', ')}.`);
  }
  return found.data;
}

function problem({ path, message }: z.core.$ZodIssue, json: unknown): string {
  if (path.length === 0) return message;
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json);
  return `"${path.join('.')}" is ${JSON.stringify(value)}, which is not supported (${message})`;
}
