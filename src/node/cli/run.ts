import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';
import type { BackendInfo } from '../../backend/backendInfo';
import type { ConfigFile } from '../../config';
import { type Defaults, defaultsOf } from '../../defaults';
import type { Picture } from '../../image/picture';
import { toPictures } from '../../image/picture';
import type { InversionName } from '../../inversion/names';
import type { Inversion } from '../../invert';
import { defaultLatents, workingBytes } from '../../model/cost';
import type { Networks } from '../../model/roles';
import { networksOf } from '../../networks';
import type { Generation, RunOptions } from '../../options';
import { StableDiffusionPipeline } from '../../pipeline';
import type { RecordOptions } from '../../recording/recorder';
import { createSampler } from '../../sampler/createSampler';
import { TorchGenerator } from '../../sampler/noise';
import { foreignOption } from '../../sampler/schedulers';
import { attentionBytes } from '../../session/memory';
import type { Checkpoint } from '../../weights/checkpoint';
import { chooseBackend } from '../backend';
import { openCheckpoint } from '../checkpoint';
import { fileSink } from '../fileSink';
import { machineMemory, memoryLimit } from '../memoryLimit';
import { UsageError } from './errors';
import type { Manner } from './options';
import { Outputs } from './outputs';
import { Progress } from './progress';
import { recordOptions } from './recording';
import { type Inverting, type RunSettings, type Settled, settle } from './settle';
import { stopSignal } from './supervised';
import { tensorFile } from './tensors';
import { duration, scaled } from './text';
import { version } from './version';

/** A generation with its pictures as bytes. */
export interface Made extends Generation {
  readonly pictures: readonly Picture[];
}

/** A command's settings as given; a picture of the user's own shows its `prompt`, or its `source`. */
type Given = RunSettings & {
  readonly image?: string;
  readonly inversion?: InversionName;
  readonly prompt?: string;
  readonly source?: string;
};

/** The seconds that the parts of a run took. */
interface Seconds {
  load: number;
  /** For every step, in order. */
  readonly steps: number[];
  /** For every step without injection. */
  readonly compare: number[];
  decode: number;
}

/** One invocation of a command that makes pictures: loads, generates, measures time, and writes all output or none. */
export class Run {
  private readonly seconds: Seconds = { load: 0, steps: [], compare: [], decode: 0 };
  private readonly warnings: string[] = [];
  readonly progress: Progress;
  private backend?: BackendInfo;
  /** The run's complete settings, available once the model is open. */
  settings!: Settled;

  private constructor(
    private readonly given: Given,
    private readonly manner: Manner,
    private readonly outputs: Outputs,
  ) {
    this.progress = new Progress(manner.quiet);
  }

  /**
   * Runs a command to its end and prints what it did.
   *
   * @param work generates and writes; what it returns is printed after the files: `text` in the normal output, the rest
   *   in the JSON
   * @throws Interrupted if the user stops it
   */
  static async perform(
    command: string,
    settings: Given,
    manner: Manner,
    work: (run: Run) => Promise<{ text?: string } & Record<string, unknown>>,
  ): Promise<void> {
    const outputs = await Outputs.open(command, manner);
    const run = new Run(settings, manner, outputs);
    try {
      const { text, ...details } = await work(run);
      stopSignal.throwIfAborted();
      run.print(command, await outputs.publish(), details, text);
    } catch (error) {
      outputs.discard();
      throw outputs.explain(error);
    } finally {
      run.progress.stop();
    }
  }

  /** Opens the model, and fills in settings not given from its defaults. */
  async open(): Promise<{ checkpoint: Checkpoint; defaults: Defaults }> {
    const checkpoint = await openCheckpoint(this.given.model, { loras: this.given.lora, variant: this.given.variant });
    const defaults = await defaultsOf(checkpoint);
    this.settings = settle(this.given, defaults, this.inverting);
    return { checkpoint, defaults };
  }

  /** How the user's own picture is inverted, if there is one. */
  private get inverting(): Inverting | undefined {
    const { image, inversion: method = 'direct', source = '', prompt = source } = this.given;
    return image === undefined ? undefined : { method, prompt };
  }

  /** Loads the networks onto the backend. */
  async load(checkpoint: Checkpoint): Promise<StableDiffusionPipeline> {
    this.checkSteps(await checkpoint.config('scheduler'));
    const networks = await networksOf(checkpoint);
    this.checkSize(networks.vae.pixelsPerLatent);
    const start = performance.now();
    this.backend = await chooseBackend(this.settings.backend, {
      threads: this.manner.threads,
      warn: (message) => this.warn(message),
    });
    this.checkMemory(networks);
    const pipeline = await StableDiffusionPipeline.load(checkpoint, {
      onProgress: (loaded, total) => {
        stopSignal.throwIfAborted();
        this.progress.show('Loading', loaded, total);
      },
    });
    this.seconds.load = (performance.now() - start) / 1000;
    for (const note of pipeline.notes) this.warn(note);
    return pipeline;
  }

  /**
   * Generates one picture per prompt with the run's settings, or the given options. The caller disposes of the tensors.
   */
  async generate(
    pipeline: StableDiffusionPipeline,
    task: string,
    prompts: readonly string[],
    options: Omit<RunOptions, 'signal'> = {},
    seconds = this.seconds.steps,
  ): Promise<Made> {
    const { seed, steps, guidance, projectAbove, sampler, eta, karras, height, width, negative } = this.settings;
    this.progress.show(task, 0, steps, 'steps');
    let last = performance.now();
    const made = await pipeline.generate(prompts, {
      seed,
      steps,
      guidance,
      projectAbove,
      sampler,
      eta,
      karras,
      height,
      width,
      negative,
      ...this.circumstances,
      ...options,
      onStep: ({ step, steps, seconds: taken }) => {
        this.progress.show(task, step + 1, steps, 'steps');
        seconds.push(taken);
        last = performance.now();
      },
    });
    const pictures = await toPictures(made.images);
    this.seconds.decode += (performance.now() - last) / 1000;
    return { ...made, pictures };
  }

  /** The options that depend on the command, not on the picture. */
  get circumstances(): Pick<RunOptions, 'memory' | 'signal' | 'onWarning'> {
    return { memory: this.memory, signal: stopSignal, onWarning: (message) => this.warn(message) };
  }

  /** Generates the prompts without injection, for comparison, like {@link generate}. */
  async compare(
    pipeline: StableDiffusionPipeline,
    prompts: readonly string[],
    options: Omit<RunOptions, 'signal' | 'onWarning'> = {},
  ): Promise<Made> {
    const onWarning = (): void => {}; // The edits' run has warned of the same prompts.
    return this.generate(pipeline, 'Without injection', prompts, { ...options, onWarning }, this.seconds.compare);
  }

  /** Adds the settings, everything needed to repeat the run, as a file for `--from`, in the schema's order. */
  async writeSettings(name: string, schema: z.ZodObject): Promise<void> {
    await this.write(name, toJson(schema.parse({ ...this.settings, model: portable(this.settings.model), version })));
  }

  /** Adds a file to the command's folder. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    await this.outputs.write(name, bytes);
  }

  /** Writes the file of `--tensors`, if requested. */
  async writeTensors(made: Generation, inversion?: Inversion): Promise<void> {
    const path = this.outputs.pathOf('tensors');
    if (path !== undefined) await writeFile(path, await tensorFile(made, inversion));
  }

  /**
   * The options for recording a generation, if requested.
   *
   * @param self the default share of the steps whose self-attention is kept @param size the default side of the largest
   *   grid to keep
   */
  recordOptions(self: number, size?: number): RecordOptions | undefined {
    const path = this.outputs.pathOf('record') ?? this.outputs.pathOf('to');
    return path === undefined
      ? undefined
      : { to: fileSink(path), model: portable(this.settings.model), ...recordOptions(this.manner, self, size) };
  }

  /** Warns, once per message, of anything odd that is not an error. */
  warn(message: string): void {
    if (this.warnings.includes(message)) return;
    this.warnings.push(message);
    if (!this.manner.quiet) process.stderr.write(`warning: ${message}\n`);
  }

  private checkSteps(scheduler: ConfigFile): void {
    const { sampler, steps, eta, karras } = this.settings;
    try {
      // With any seed: this only checks that the sampler can be made.
      createSampler(scheduler, { sampler, steps, eta, karras, generator: new TorchGenerator(0) });
    } catch (error) {
      const foreign = foreignOption(sampler, { eta, karras });
      const option = foreign ? `--${foreign}` : `--steps ${steps}`;
      throw error instanceof RangeError ? new UsageError(`${option}: ${error.message}`) : error;
    }
  }

  /** The bytes that the run may take: what is allowed, but no more than the backend has. */
  private get memory(): number {
    const there = memoryLimit(this.backend!.name);
    return Math.min(this.manner.memory ?? machineMemory(), there ?? Infinity);
  }

  /**
   * @throws MemoryError, before anything is loaded, if not even a run of one prompt fits; the pipeline checks exactly.
   */
  private checkMemory({ textEncoder, unet, vae }: Networks): void {
    const { guidance, height, width } = this.settings;
    const own = defaultLatents(unet.config);
    const latents = {
      height: height === undefined ? own.height : height / vae.pixelsPerLatent,
      width: width === undefined ? own.width : width / vae.pixelsPerLatent,
    };
    const rows = guidance <= 1 ? 1 : 2;
    const parameters = textEncoder.size + unet.size + vae.size;
    const weights = parameters * (this.backend!.name === 'node' ? 2 : 4); // Weights stored in 16 bits stay so there.
    attentionBytes({ weights, features: workingBytes(unet.config, vae.config, latents, rows), maps: 0 }, this.memory);
  }

  private checkSize(multiple: number): void {
    for (const side of ['height', 'width'] as const) {
      const pixels = this.settings[side];
      if (pixels !== undefined && pixels % multiple !== 0)
        throw new UsageError(
          `--${side} ${pixels}: this model makes pictures whose sides are multiples of ${multiple} pixels.`,
        );
    }
  }

  private print(
    command: string,
    { folder, files }: { folder: string; files: readonly string[] },
    details: Record<string, unknown>,
    text?: string,
  ): void {
    this.progress.stop();
    const { seconds, backend, warnings, settings, manner } = this;
    const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
    if (manner.json) {
      const versions = {
        'prompt-to-prompt-tfjs': version,
        '@tensorflow/tfjs': tf.version.tfjs,
        node: process.versions.node,
      };
      process.stdout.write(
        toJson({ command, folder, files, settings, backend, versions, seconds, peakMemoryBytes, warnings, ...details }),
      );
    } else if (!manner.quiet) {
      process.stdout.write(
        [
          `Wrote ${relative('.', folder) || '.'}: ${files.map((file) => relative(folder, file)).join(', ')}`,
          `Loaded in ${duration(seconds.load)}, ${stepsIn(seconds.steps)}${seconds.compare.length > 0 ? ` and ${stepsIn(seconds.compare)} without injection` : ''}, decoded in ${duration(seconds.decode)}; ${backend?.name} with ${backend?.threads} thread${backend?.threads === 1 ? '' : 's'}, ${scaled(peakMemoryBytes, 'B')} at the peak.`,
          ...(text === undefined ? [] : ['', text]),
          '',
        ].join('\n'),
      );
    }
  }
}

/** `6 steps in 2.0 s` */
function stepsIn(seconds: readonly number[]): string {
  return `${seconds.length} step${seconds.length === 1 ? '' : 's'} in ${duration(seconds.reduce((sum, step) => sum + step, 0))}`;
}

/** As JSON, with bigints as text. */
function toJson(value: object): string {
  return `${JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each), 2)}\n`;
}

/** A model's name or path that works from any folder. */
function portable(model: string): string {
  return existsSync(model) ? resolve(model) : model;
}
