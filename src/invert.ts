import * as tf from '@tensorflow/tfjs';
import { compose } from './attention/compose';
import type { AttentionController } from './attention/controller';
import { AUTHORS_DEFAULTS } from './defaults';
import { ddim } from './inversion/ddim';
import { direct } from './inversion/direct';
import { editFriendly } from './inversion/editFriendly';
import { fixedPoint } from './inversion/fixedPoint';
import { hEdit } from './inversion/hEdit';
import type { InversionMethod, InversionTask, Inverted } from './inversion/method';
import { checkRecordable, type InversionName, negativeFor, projectAboveFor, samplerFor } from './inversion/names';
import { negativePrompt } from './inversion/negativePrompt';
import { nullText } from './inversion/nullText';
import { proximal } from './inversion/proximal';
import type { Trajectory } from './inversion/trajectory';
import type { RunOptions } from './options';
import type { StableDiffusionPipeline } from './pipeline';
import type { RecordOptions } from './recording/recorder';
import { createSampler } from './sampler/createSampler';
import type { SamplerName } from './sampler/schedulers';
import { DEFAULTS } from './session/options';

const METHODS: Readonly<Record<InversionName, InversionMethod>> = {
  direct,
  ddim,
  'null-text': nullText,
  'negative-prompt': negativePrompt,
  proximal,
  'edit-friendly': editFriendly,
  'fixed-point': fixedPoint,
  'h-edit': hEdit,
};

/** The options of an inversion. */
export interface InvertOptions
  extends Partial<Pick<InversionTask, 'negative' | 'guidance' | 'steps' | 'seed'>>,
    Pick<InversionTask, 'iterations' | 'epsilon' | 'sourceGuidance' | 'skip' | 'found' | 'signal' | 'onProgress'>,
    Pick<RunOptions, 'projectAbove' | 'karras' | 'memory' | 'onWarning'> {
  /** What the picture shows. Default: the empty prompt, with which edits follow their prompts less faithfully. */
  readonly prompt?: string;
  /** Default: direct. */
  readonly method?: InversionName;
  /** Default: the checkpoint's, or ddim if the method works only with that. */
  readonly sampler?: SamplerName;
}

/**
 * Takes a picture to noise, so that edits can begin there.
 *
 * @param latents [1, height, width, channels], such as `pipe.toLatents(image)`; not disposed of
 * @throws RangeError for options out of range, or a sampler that the method does not support; the signal's reason if it
 *   stops the inversion
 */
export async function invert(
  pipe: StableDiffusionPipeline,
  latents: tf.Tensor4D,
  {
    prompt = '',
    method = 'direct',
    sampler = samplerFor(method, pipe.defaults),
    steps = sampler === pipe.defaults.sampler ? pipe.defaults.steps : AUTHORS_DEFAULTS.steps,
    karras,
    negative = negativeFor(method, prompt, pipe.defaults.pictures),
    guidance = pipe.defaults.pictures.guidance,
    projectAbove = projectAboveFor(method, pipe.defaults),
    seed = DEFAULTS.seed,
    memory,
    onWarning,
    signal,
    ...rest
  }: InvertOptions = {},
): Promise<Inversion> {
  const schedule = { sampler, steps, karras };
  const inverted = await METHODS[method]({
    ...rest,
    picture: latents,
    prompt,
    negative,
    guidance,
    seed,
    steps,
    signal,
    sampler: createSampler(pipe.scheduler, schedule),
    session: (options) =>
      pipe.session([prompt], { ...(options.sampler ? {} : schedule), memory, onWarning, signal, ...options }),
  });
  return new Inversion(prompt, method, inverted, { ...schedule, negative, guidance, projectAbove });
}

/** A picture that was taken to noise. Dispose of it after use. */
export class Inversion {
  /** @internal Use {@link invert}. */
  constructor(
    readonly prompt: string,
    readonly method: InversionName,
    private readonly inverted: Inverted,
    private readonly settings: RunOptions,
  ) {}

  /** From the picture's latents to noise. */
  get trajectory(): Trajectory {
    return this.inverted.trajectory;
  }

  /**
   * For null-text inversion: what the unconditional rows read, [1, tokens, features] per step, starting at the noise;
   * owned by the inversion.
   */
  get embeddings(): readonly tf.Tensor3D[] | undefined {
    return this.inverted.embeddings;
  }

  /**
   * The options of a run that edits the picture: `pipe.generate([inversion.prompt, target], inversion.options(edit))`.
   * The run's first picture is the reconstruction.
   *
   * @param edit the edit's controller; leave it out for the reconstruction alone
   */
  options(edit?: AttentionController): RunOptions {
    const { options, controller } = this.inverted;
    const { steps, karras, ...settings } = this.settings;
    const controllers = [controller, edit].filter((one) => one !== undefined);
    return {
      ...settings,
      // A sampler from the method has its own steps.
      ...(options.sampler ? { steps: undefined, karras: undefined } : { steps, karras }),
      ...options,
      controller: controllers.length > 0 ? compose(...controllers) : undefined,
    };
  }

  /**
   * The `record` option of a run with {@link options}.
   *
   * @throws RangeError for a method whose edits cannot be made from a recording
   */
  recordOptions(record: RecordOptions): RecordOptions {
    checkRecordable(this.method);
    const { guidance, projectAbove, sampler, steps } = this.settings;
    const settings = { guidance, projectAbove, sampler, steps };
    return { ...record, inversion: { method: this.method, settings, added: this.inverted.added } };
  }

  /**
   * Writes a recording of the picture, for any number of edits that compute only their targets.
   *
   * @throws RangeError for a method whose edits cannot be made from a recording
   */
  async record(
    pipe: StableDiffusionPipeline,
    record: RecordOptions,
    options: Pick<RunOptions, 'memory' | 'signal' | 'onWarning'> & {
      onStep?: (step: number, steps: number) => void;
    } = {},
  ): Promise<void> {
    const { onStep, ...rest } = options;
    const run = pipe.run([this.prompt], { ...this.options(), ...rest, record: this.recordOptions(record) });
    for await (const { step, steps } of run) onStep?.(step, steps);
  }

  dispose(): void {
    const { trajectory, embeddings = [], more } = this.inverted;
    trajectory.dispose();
    tf.dispose([...embeddings]);
    more?.dispose();
  }
}
