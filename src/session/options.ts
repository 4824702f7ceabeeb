import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, BatchRow, Role } from '../attention/controller';
import type { GuidanceOption } from '../guidance/combined';
import type { Sampler } from '../sampler/sampler';
import type { SamplerName } from '../sampler/schedulers';

/** The options of a run. */
export interface SessionOptions {
  /** Seed of the noise, the same as PyTorch's with `torch.Generator('cpu').manual_seed(seed)`. Default: 8888. */
  readonly seed?: number | bigint;
  /** Default: the pipeline's, {@link StableDiffusionPipeline.defaults}. */
  readonly steps?: number;
  /**
   * The scale of classifier-free guidance (1 or less uses the prompt alone, without unconditional rows), or guidances
   * of another kind. Default: the pipeline's.
   */
  readonly guidance?: GuidanceOption;
  /**
   * A scale of guidance above this is applied by adaptive projected guidance ({@link projectedAbove}), which keeps
   * strong guidance from burning pictures out. Default: the pipeline's.
   */
  readonly projectAbove?: number;
  /** The negative prompt: one for all prompts, or one for each. Default: the empty prompt. */
  readonly negative?: string | readonly string[];
  /**
   * What the rows of a role read instead of their texts: a tensor [prompts or 1, tokens, features], a list with one per
   * step, or a function of the step that creates one inside `tf.tidy`. Tensors and lists given here are not disposed
   * of.
   */
  readonly context?: Readonly<
    Partial<Record<Role, tf.Tensor3D | readonly tf.Tensor3D[] | ((step: number) => tf.Tensor3D)>>
  >;
  /**
   * Rows not to compute. Guidance leaves a prompt unchanged if its row of that role is omitted; each prompt needs its
   * conditional row, unless a recording has it.
   */
  readonly omit?: (row: BatchRow) => boolean;
  /**
   * A name, for a sampler made from the checkpoint's scheduler config, or your own sampler, with its own steps.
   * Default: the pipeline's.
   */
  readonly sampler?: SamplerName | Sampler;
  /** DDIM's eta, its share of fresh noise, from 0 to 1. Default: 0. */
  readonly eta?: number;
  /** Whether to use Karras noise levels, for `dpm++`. Default: the checkpoint's setting. */
  readonly karras?: boolean;
  /**
   * In pixels, multiples of {@link VAE.pixelsPerLatent}. Default: the checkpoint's own size.
   */
  readonly height?: number;
  readonly width?: number;
  /** Noise to start from instead of the seed's, [1, height, width, channels] at the latents' size; not disposed of. */
  readonly noise?: tf.Tensor4D;
  readonly controller?: AttentionController;
  /** Stops the run before its next step, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
  /** Called with anything odd that is not an error, such as a truncated prompt. Default: `console.warn`. */
  readonly onWarning?: (message: string) => void;
}

/** @internal The defaults that are the same for every checkpoint; the others are the pipeline's. */
export const DEFAULTS = { seed: 8888, negative: '', eta: 0 } as const;

/** @internal A run's options with the defaults filled in. */
export type SettledOptions = SessionOptions &
  Required<Pick<SessionOptions, keyof typeof DEFAULTS | 'steps' | 'guidance' | 'projectAbove' | 'sampler'>>;

/** @internal Options without those that are undefined. @throws RangeError if they contradict each other */
export function stated<Options extends SessionOptions>(options: Options): Options {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
  if (typeof given.sampler === 'object') {
    for (const name of ['steps', 'eta', 'karras'] as const)
      if (given[name] !== undefined)
        throw new RangeError(`A custom sampler has its own steps and settings: leave out ${name}.`);
    if (given.sampler.timesteps.length === 0)
      throw new RangeError('The custom sampler has no timesteps: it needs one for each step.');
  }
  return given;
}

/** @internal Fills in the defaults of the session and the checkpoint. */
export function settle(
  given: SessionOptions,
  { guidance, projectAbove, steps, sampler }: Pick<SettledOptions, 'guidance' | 'projectAbove' | 'steps' | 'sampler'>,
): SettledOptions {
  return { ...DEFAULTS, guidance, projectAbove, steps, sampler, ...given };
}
