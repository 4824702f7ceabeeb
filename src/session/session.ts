import * as tf from '@tensorflow/tfjs';
import { compose } from '../attention/compose';
import type {
  AttentionController,
  BatchRow,
  BeforeStepCall,
  EvaluateOptions,
  Role,
  RunInfo,
} from '../attention/controller';
import { beginAll, endAll } from '../attention/lifetime';
import { takeRow } from '../attention/rows';
import { allFinite } from '../finite';
import { guide, rolesOf } from '../guidance/combined';
import type { Guidance, GuidanceCall, Predictions } from '../guidance/guidance';
import type { UNet } from '../model/roles';
import { type DenoisingStep, denoise } from '../sampler/denoise';
import type { Sampler } from '../sampler/sampler';
import type { Companion, TakenStep } from './companion';
import type { RowContexts } from './contexts';
import { Probe } from './probe';

/** What a session is made of. It takes ownership of the tensors. */
export interface SessionParts {
  readonly prompts: readonly string[];
  /** What the run starts from, [1, height, width, channels]. */
  readonly noise: tf.Tensor4D;
  /** Encodes what the rows read, after the controllers' `begin`. */
  readonly contexts: () => Promise<RowContexts>;
  readonly sampler: Sampler;
  /** See {@link GuidanceCall.original}. */
  readonly original: (prediction: tf.Tensor4D, latents: tf.Tensor4D, timestep: number) => tf.Tensor4D;
  readonly guidances: readonly Guidance[];
  readonly controller?: AttentionController;
  readonly companion?: Companion;
  readonly omit?: (row: BatchRow) => boolean;
  readonly signal?: AbortSignal;
  readonly network: UNet['forward'];
  readonly decode: (latents: tf.Tensor4D) => tf.Tensor4D;
}

/** Options of a prediction that override the session's. */
export interface PredictOptions {
  /** The rows to compute (default: the session's). */
  readonly rows?: readonly BatchRow[];
  /** The controller to use instead of the session's; `null` for none. */
  readonly controller?: AttentionController | null;
}

/**
 * One run, for scripts: its rows, what they read, the network with guidance, the sampler and the latents to start from.
 * {@link steps} is the usual loop; your own loop calls {@link predict} and {@link step}, or {@link evaluate} and the
 * sampler. Always call `end()`, however the run ends.
 */
export class Session {
  readonly prompts: readonly string[];
  /**
   * What a step evaluates: the unconditional rows if there are any, the conditional ones, then others, each for all
   * prompts.
   */
  readonly rows: readonly BatchRow[];
  readonly sampler: Sampler;
  /** What the run starts from, [1, height, width, channels]; disposed of at the end. */
  readonly noise: tf.Tensor4D;
  /** The noise repeated for every prompt, [prompts, height, width, channels]; disposed of at the end. */
  readonly latents: tf.Tensor4D;
  /** The run as described to controllers. */
  readonly run: RunInfo;
  /** All rows, including those omitted or supplied by a recording. */
  private readonly allRows: readonly BatchRow[];
  private readonly guidingControllers: readonly AttentionController[];
  /** The controller in use: the caller's, with what a guidance or a recording adds. */
  readonly controller?: AttentionController;
  private contexts?: RowContexts;
  private begun = false;

  private constructor(private readonly parts: SessionParts) {
    const { prompts, noise, sampler, guidances, companion, omit, controller } = parts;
    const [, height, width] = noise.shape;
    this.prompts = prompts;
    this.sampler = sampler;
    this.noise = noise;
    this.latents = tf.tile(noise, [prompts.length, 1, 1, 1]);
    this.run = { prompts: prompts.length, steps: sampler.timesteps.length, latents: { height, width } };
    this.allRows = rolesOf(guidances).flatMap(({ role }) => prompts.map((_, prompt) => ({ prompt, role })));
    this.rows = this.allRows.filter((row) => !omit?.(row) && (companion?.computes?.(row) ?? true));
    this.guidingControllers = guidances.flatMap(({ controller: own }) => own ?? []);
    const own = this.withGuiding(controller);
    this.controller = companion ? companion.around(own) : own;
  }

  /** @internal Use {@link StableDiffusionPipeline.session}. This calls the controllers' `begin`. */
  static async begin(parts: SessionParts): Promise<Session> {
    const session = new Session(parts);
    try {
      await parts.companion?.begin?.(session.run, session.noise);
      if (session.controller) beginAll([session.controller], session.run);
      session.begun = true;
      session.contexts = await parts.contexts();
      return session;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  /**
   * What the given rows (default: all of the run's) read at a step, [rows, tokens, features]. The caller disposes of
   * it.
   */
  context(rows: readonly BatchRow[] = this.allRows, step = 0): tf.Tensor3D {
    return this.contexts!.tensor(rows, step);
  }

  /**
   * Evaluates the network itself, without guidance. Gradients flow through it to the latents, and to a given context.
   *
   * @param latents one row for each of `rows`, [rows, height, width, channels]
   * @param step the step, 0 .. steps - 1
   * @param options `rows` (default: the session's); `context`, what they read, [rows, tokens, features] (default: the
   *   session's for such rows); `controller`, to use instead of the session's, `null` for none; `timestep` (default:
   *   the step's own)
   * @returns the prediction, in the latents' shape. The caller disposes of it.
   */
  evaluate(
    latents: tf.Tensor4D,
    step: number,
    {
      rows = this.rows,
      context,
      controller,
      timestep,
    }: PredictOptions & Pick<EvaluateOptions, 'context' | 'timestep'> = {},
  ): tf.Tensor4D {
    const asked = controller === undefined ? this.controller : this.withGuiding(controller ?? undefined);
    return this.ask(latents, step, { rows, context, controller: asked, timestep });
  }

  /**
   * What the network predicts for each prompt, after guidance.
   *
   * @param latents [prompts, height, width, channels]
   * @param step 0 .. steps - 1
   * @returns the prediction, in the latents' shape. The caller disposes of it.
   * @throws RangeError if a prompt has no conditional row
   */
  predict(latents: tf.Tensor4D, step: number, { rows = this.rows, controller }: PredictOptions = {}): tf.Tensor4D {
    const { sampler, guidances, companion, original } = this.parts;
    const timestep = sampler.timesteps[step];
    return tf.tidy(() => {
      const ofRows = (list: readonly BatchRow[]) => concat(list.map(({ prompt }) => takeRow(latents, prompt)));
      const predicted = this.evaluate(ofRows(rows), step, { rows, controller });
      const computed = rows.filter(({ role }) => role === 'conditional');
      const predictions = byRole(predicted, rows, computed, rolesOf(guidances));
      const shown = ofRows(computed);
      const guided = guide(guidances, predictions, {
        step,
        steps: this.run.steps,
        timestep,
        prompts: computed.map(({ prompt }) => prompt),
        latents: shown,
        original: (prediction) => original(prediction, shown, timestep),
        evaluate: (more, options) => this.evaluate(more, step, { controller: null, ...options }),
      });
      const found = new Map(computed.map(({ prompt }, i) => [prompt, i]));
      return concat(
        this.prompts.map((_, prompt) => {
          const row = found.get(prompt);
          if (row !== undefined) return takeRow(guided, row);
          if (prompt === 0 && companion?.prediction) return companion.prediction();
          throw new RangeError(`Prompt ${prompt} has no conditional row: there is nothing to predict from.`);
        }),
      );
    });
  }

  /**
   * Takes the sampler's step, then calls the controller's `onLatents`.
   *
   * @param prediction after guidance, [prompts, height, width, channels] @returns latents of that shape. The caller
   *   disposes of them.
   */
  step(prediction: tf.Tensor4D, step: number, latents: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => tf.clone(this.onLatents(this.sampler.step(prediction, step, latents), step)));
  }

  /** Calls the controller's `beforeStep`. @returns the given latents, or new ones, which the caller disposes of */
  async beforeStep(latents: tf.Tensor4D, step: number): Promise<tf.Tensor4D> {
    const call: BeforeStepCall = {
      ...this.at(step),
      rows: this.rows,
      evaluate: (input, options) => this.evaluate(input, step, { controller: null, ...options }),
      gradient: (energy, x) => {
        const { value, grad: gradient } = tf.valueAndGrad(energy)(x);
        return { value: value as tf.Scalar, gradient: gradient as tf.Tensor4D };
      },
    };
    return (await this.controller?.beforeStep?.(latents, call)) ?? latents;
  }

  /** To be called after each step of your own loop: tells the recorder or the playback, if there is one. */
  async took(step: TakenStep): Promise<void> {
    await this.parts.companion?.after(step);
  }

  /**
   * The usual loop, from the noise to the last step; it may be left early. For who owns its tensors, see
   * {@link DenoisingStep}.
   */
  async *steps(): AsyncGenerator<DenoisingStep, void, undefined> {
    const { sampler, signal } = this.parts;
    const steps = denoise({
      sampler,
      latents: this.latents,
      signal,
      beforeStep: (latents, step) => this.beforeStep(latents, step),
      predict: (latents, _, step) => this.predict(latents, step),
      onLatents: (latents, { step }) => this.onLatents(latents, step),
      notFinite: (latents, step) => this.whyNotFinite(latents, step),
    });
    for await (const step of steps) {
      await this.took(step);
      yield step;
    }
  }

  /** @param latents [rows, height, width, channels] @returns [rows, height, width, 3], -1 to 1 */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    return this.parts.decode(latents);
  }

  /** Frees the session's tensors, and ends the run for its controller and companion. */
  async end(): Promise<void> {
    const { companion } = this.parts;
    if (this.begun && this.controller) endAll([this.controller]);
    this.begun = false;
    this.sampler.end?.();
    this.contexts?.dispose();
    tf.dispose([this.noise, this.latents]);
    await companion?.end?.();
  }

  /** Evaluates a step again, to find out where the numbers stop being finite. */
  private async whyNotFinite(latents: tf.Tensor4D, step: number): Promise<string> {
    const probe = new Probe();
    const whole = this.controller ? compose(this.controller, probe.controller) : probe.controller;
    const prediction = tf.tidy(() => {
      const input = concat(this.rows.map(({ prompt }) => takeRow(latents, prompt)));
      return this.ask(input, step, { rows: this.rows, controller: whole });
    });
    try {
      const site = await probe.first();
      if (site)
        return `The network's numbers are not finite from ${site} on: a weight there may be too large or not finite.`;
      return allFinite(await prediction.data())
        ? "The network's prediction is finite: a guidance, the sampler or a controller produced them."
        : "They first appear in the network's last layers.";
    } finally {
      prediction.dispose();
      probe.dispose();
    }
  }

  private ask(
    latents: tf.Tensor4D,
    step: number,
    { rows, context, controller, timestep = this.sampler.timesteps[step] }: EvaluateOptions,
  ): tf.Tensor4D {
    const { network } = this.parts;
    const { steps, latents: size } = this.run;
    const control = controller && { controller, evaluation: { step, steps, timestep, latents: size, rows } };
    return tf.tidy(() => network(latents, timestep, context ?? this.contexts!.at(rows, step), control));
  }

  private withGuiding(controller?: AttentionController): AttentionController | undefined {
    const all = [...this.guidingControllers, ...(controller ? [controller] : [])];
    return all.length > 1 ? compose(...all) : all[0];
  }

  private onLatents(latents: tf.Tensor4D, step: number): tf.Tensor4D {
    return this.controller?.onLatents?.(latents, this.at(step)) ?? latents;
  }

  private at(step: number) {
    return { step, steps: this.run.steps, timestep: this.sampler.timesteps[step] };
  }
}

/** The computed prompts' predictions by role; a prompt without a row of some role has its conditional one there. */
function byRole(
  predicted: tf.Tensor4D,
  rows: readonly BatchRow[],
  computed: readonly BatchRow[],
  roles: readonly { readonly role: Role }[],
): Predictions {
  const indexOf = (prompt: number, role: string) => rows.findIndex((row) => row.prompt === prompt && row.role === role);
  const pick = (role: string): tf.Tensor4D =>
    concat(
      computed.map(({ prompt }) => {
        const own = indexOf(prompt, role);
        return takeRow(predicted, own < 0 ? indexOf(prompt, 'conditional') : own);
      }),
    );
  return Object.fromEntries(roles.map(({ role }) => [role, pick(role)])) as Predictions;
}

function concat(rows: tf.Tensor4D[]): tf.Tensor4D {
  return rows.length === 1 ? rows[0] : tf.concat(rows, 0);
}
