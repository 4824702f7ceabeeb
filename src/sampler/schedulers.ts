import { z } from 'zod';
import { type ConfigFile, harmless, only, parseConfig } from '../config';

/**
 * The diffusers scheduler classes that there are samplers for, and what each reads from `scheduler_config.json`,
 * whatever class that file names. As in diffusers' `from_config`, options that the class has take the file's values,
 * its other options take its own defaults, and options of other classes are ignored.
 *
 * Kept apart from the samplers themselves, so that `p2p --help` need not load TensorFlow.js.
 */

/** A hundred times as many as checkpoints were trained with. */
const MOST_TIMESTEPS = 100_000;

/** Keys of every class, with the same defaults. */
const schedule = {
  num_train_timesteps: z.int().min(2).max(MOST_TIMESTEPS).default(1000),
  beta_start: z.number().positive().lt(1).default(0.0001),
  beta_end: z.number().positive().lt(1).default(0.02),
  beta_schedule: z.enum(['linear', 'scaled_linear', 'squaredcos_cap_v2']).default('linear'),
  trained_betas: z.array(z.number().min(0).max(1)).nonempty().max(MOST_TIMESTEPS).nullable().default(null),
  prediction_type: z.enum(['epsilon', 'v_prediction', 'sample']).default('epsilon'),
  thresholding: z.boolean().default(false),
  dynamic_thresholding_ratio: z.number().min(0).max(1).default(0.995),
  sample_max_value: z.number().positive().default(1),
  steps_offset: z.int().min(0).max(MOST_TIMESTEPS).default(0),
  rescale_betas_zero_snr: z.boolean().default(false),
};

/** By sampler name; `createSampler` makes them. */
export const SCHEDULERS = {
  ddim: {
    className: 'DDIMScheduler',
    /** Config keys of the class besides those in `schedule`. */
    config: {
      timestep_spacing: z.enum(['leading', 'linspace', 'trailing']).default('leading'),
      clip_sample: z.boolean().default(true),
      clip_sample_range: z.number().nonnegative().default(1),
      set_alpha_to_one: z.boolean().default(true),
    },
    /** Options of a run that only some samplers have. */
    options: ['eta'],
  },
  /** Only DPM-Solver++, of the algorithms that the class has. */
  'dpm++': {
    className: 'DPMSolverMultistepScheduler',
    config: {
      timestep_spacing: z.enum(['linspace', 'leading', 'trailing']).default('linspace'),
      /** diffusers treats `deis` as DPM-Solver++. */
      algorithm_type: only('dpmsolver++', 'deis'),
      solver_order: z.int().min(1).max(3).default(2),
      /** diffusers treats the types of DEIS and UniPC as midpoint. */
      solver_type: only('midpoint', 'heun', 'logrho', 'bh1', 'bh2'),
      lower_order_final: z.boolean().default(true),
      euler_at_final: z.boolean().default(false),
      final_sigmas_type: z.enum(['zero', 'sigma_min']).default('zero'),
      lambda_min_clipped: z.number().or(z.literal(-Infinity)).default(-Infinity),
      use_karras_sigmas: z.boolean().default(false),
      use_exponential_sigmas: only(false),
      use_beta_sigmas: only(false),
      use_lu_lambdas: only(false),
      use_flow_sigmas: only(false),
      use_dynamic_shifting: only(false),
      /** With a learned variance, the prediction would contain it beside the noise. */
      variance_type: only(null, 'fixed_small', 'fixed_small_log', 'fixed_large', 'fixed_large_log'),
      /** Options of other classes, which diffusers nevertheless reads for Karras noise levels. */
      sigma_min: z.number().positive().nullable().default(null),
      sigma_max: z.number().positive().nullable().default(null),
    },
    options: ['karras'],
  },
} as const;

/** Options of classes without a sampler here. */
const OTHER_CLASSES = [
  'corrector_order',
  'disable_corrector',
  'flow_shift',
  'interpolation_type',
  'original_inference_steps',
  'predict_x0',
  'predictor_order',
  'skip_prk_steps',
  'solver_p',
  'time_shift_type',
  'timestep_scaling',
  'timestep_type',
];

/** DDIM, or DPM-Solver++(2M). */
export type SamplerName = keyof typeof SCHEDULERS;
export const SAMPLERS = Object.keys(SCHEDULERS) as [SamplerName, ...SamplerName[]];

type Output<Shape> = { readonly [Key in keyof Shape]: z.output<Shape[Key]> };

/** A checked scheduler config, with diffusers' defaults. */
export type SchedulerConfig<Name extends SamplerName = SamplerName> = {
  [N in SamplerName]: Output<typeof schedule> & Output<(typeof SCHEDULERS)[N]['config']>;
}[Name];

export function isSamplerName(name: string): name is SamplerName {
  return Object.hasOwn(SCHEDULERS, name);
}

/** What a sampler reads from a checkpoint's scheduler config. @throws ConfigError for anything not supported */
export function readSchedulerConfig<Name extends SamplerName>(
  sampler: Name,
  { json, file }: ConfigFile,
): SchedulerConfig<Name> {
  const keys = [...OTHER_CLASSES, ...SAMPLERS.flatMap((name) => Object.keys(SCHEDULERS[name].config))];
  const ofOthers = Object.fromEntries(keys.map((key) => [key, harmless]));
  const schema = z.object({ ...ofOthers, ...schedule, ...SCHEDULERS[sampler].config });
  return parseConfig(schema, json, file) as SchedulerConfig<Name>;
}

/** Options of a run that only some samplers have. */
export type SamplerOption = (typeof SCHEDULERS)[SamplerName]['options'][number];

function hasOption(sampler: SamplerName, option: SamplerOption): boolean {
  return (SCHEDULERS[sampler].options as readonly SamplerOption[]).includes(option);
}

/** The samplers that have an option, for messages: `ddim`. */
export function samplersWith(option: SamplerOption): string {
  return SAMPLERS.filter((name) => hasOption(name, option)).join(' or ');
}

/** The first given option that only other samplers have, if there is one. */
export function foreignOption(
  sampler: SamplerName,
  given: { readonly [Option in SamplerOption]?: unknown },
): SamplerOption | undefined {
  const all = SAMPLERS.flatMap((name): readonly SamplerOption[] => SCHEDULERS[name].options);
  return all.find((option) => given[option] && !hasOption(sampler, option));
}
