import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, BatchRow, Role } from '../attention/controller';
import type { GuidanceOption } from '../guidance/combined';
import type { Sampler } from '../sampler/sampler';
import type { SamplerName } from '../sampler/schedulers';

/** How a run goes. What is left out has the default that is stated with it. */
export interface SessionOptions {
  /** Seed of the noise, which is PyTorch's: `torch.Generator('cpu').manual_seed(seed)`. Default: 8888. */
  readonly seed?: number | bigint;
  /** Default: the pipeline's, {@link StableDiffusionPipeline.defaults}. */
  readonly steps?: number;
  /**
   * How strongly the prompt is followed; 1 or less is the prompt alone, without unconditional rows. Or guidances of
   * another kind. Default: the pipeline's.
   */
  readonly guidance?: GuidanceOption;
  /** What to be guided away from: one text for all prompts, or one for each. */
  readonly negative?: string | readonly string[];
  /**
   * What the rows of a role read instead of their texts, [prompts or 1, tokens, features]; or a list of such, one for
   * each step: these stay the caller's. Or a function of the step that makes one, inside `tf.tidy`.
   */
  readonly context?: Readonly<
    Partial<Record<Role, tf.Tensor3D | readonly tf.Tensor3D[] | ((step: number) => tf.Tensor3D)>>
  >;
  /**
   * Rows that are not to be computed. A prompt without a row of some role is left as it is by guidance; each needs its
   * conditional row, unless a recording has it.
   */
  readonly omit?: (row: BatchRow) => boolean;
  /** By name, made from the checkpoint's scheduler config; or one of your own, with steps of its own. Default: the pipeline's. */
  readonly sampler?: SamplerName | Sampler;
  /** DDIM's share of fresh noise, 0 to 1. Default: 0. */
  readonly eta?: number;
  /** Karras' noise levels, for `dpm++`. Default: as the checkpoint says. */
  readonly karras?: boolean;
  /**
   * In pixels, multiples of {@link VAE.pixelsPerLatent}. Default: the checkpoint's own size.
   */
  readonly height?: number;
  readonly width?: number;
  /** Noise to start from instead of the seed's, [1, height, width, channels] of the latents; stays the caller's. */
  readonly noise?: tf.Tensor4D;
  readonly controller?: AttentionController;
  /** Stops the run before its next step, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
  /** Told of what is odd but no error, such as a prompt that is cut off. Default: `console.warn`. */
  readonly onWarning?: (message: string) => void;
}

/** @internal The defaults for every checkpoint; others are the pipeline's. */
export const DEFAULTS = { seed: 8888, negative: '', eta: 0 } as const;

/** @internal A run's options, with what was left out. */
export type SettledOptions = SessionOptions &
  Required<Pick<SessionOptions, keyof typeof DEFAULTS | 'steps' | 'guidance' | 'sampler'>>;

/** @internal Options without those that are undefined. @throws RangeError if they contradict each other */
export function stated<Options extends SessionOptions>(options: Options): Options {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
  if (typeof given.sampler === 'object') {
    for (const name of ['steps', 'eta', 'karras'] as const)
      if (given[name] !== undefined)
        throw new RangeError(`A sampler of your own has its own steps and settings: leave out ${name}.`);
  }
  return given;
}

/** @internal @param usual what suits the checkpoint */
export function settle(
  given: SessionOptions,
  { guidance, steps, sampler }: Pick<SettledOptions, 'guidance' | 'steps' | 'sampler'>,
): SettledOptions {
  return { ...DEFAULTS, guidance, steps, sampler, ...given };
}
