import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { ConfigFile } from '../../config';
import type { StepRange } from '../../edits/prompt-to-prompt/schedule';
import type { Picture } from '../../image/picture';
import { toPictures } from '../../image/picture';
import { StableDiffusionPipeline } from '../../pipeline';
import type { RecordOptions } from '../../recording/recorder';
import { createSampler } from '../../sampler/sampler';
import type { Generation, RunOptions } from '../../session/options';
import type { Checkpoint } from '../../weights/checkpoint';
import type { BackendInfo } from '../backend';
import { chooseBackend } from '../backend';
import { openCheckpoint } from '../checkpoint';
import { fileSink } from '../fileSink';
import { UsageError } from './errors';
import { interruptible } from './interrupt';
import type { Manner } from './options';
import { Outputs } from './outputs';
import { Progress } from './progress';
import { recordOptions } from './recording';
import type { GenerateSettings } from './settings';
import { tensorFile } from './tensors';
import { duration, scaled } from './text';

export const { version } = require('../../../package.json') as { version: string };

/** What all commands that make pictures are told. */
type Settings = Omit<GenerateSettings, 'prompt'>;

/** A generation with its pictures as files hold them. */
export interface Made extends Generation {
  readonly pictures: readonly Picture[];
}

/** Seconds that a run took for its parts. */
interface Seconds {
  load: number;
  /** Of every step of every generation, in order. */
  readonly steps: number[];
  decode: number;
}

/** One call of a command that makes pictures: loads, generates, keeps the time, writes all of it or nothing. */
export class Run {
  private readonly seconds: Seconds = { load: 0, steps: [], decode: 0 };
  private readonly warnings: string[] = [];
  private readonly progress: Progress;
  private backend?: BackendInfo;

  private constructor(
    private readonly settings: Settings,
    private readonly manner: Manner,
    private readonly outputs: Outputs,
    private readonly signal: AbortSignal,
  ) {
    this.progress = new Progress(manner.quiet);
  }

  /**
   * Runs a command to its end and prints what it did.
   *
   * @param work generates and writes; what it returns is printed after the files: `text` to people, the rest as part of
   *   the JSON
   */
  static async perform(
    command: string,
    settings: Settings,
    manner: Manner,
    work: (run: Run) => Promise<{ text?: string } & Record<string, unknown>>,
  ): Promise<void> {
    await interruptible('Nothing was written.', async (signal) => {
      const outputs = await Outputs.open(command, manner);
      const run = new Run(settings, manner, outputs, signal);
      try {
        const { text, ...details } = await work(run);
        run.print(command, await outputs.publish(), details, text);
      } catch (error) {
        outputs.discard();
        throw error;
      } finally {
        run.progress.stop();
      }
    });
  }

  async open(): Promise<Checkpoint> {
    return openCheckpoint(this.settings.model);
  }

  /** Loads the networks onto the backend. */
  async load(checkpoint: Checkpoint): Promise<StableDiffusionPipeline> {
    this.checkSteps(await checkpoint.config('scheduler'));
    const start = performance.now();
    this.backend = await chooseBackend(this.settings.backend, {
      threads: this.manner.threads,
      warn: (message) => this.warn(message),
    });
    const pipeline = await StableDiffusionPipeline.load(checkpoint, {
      onProgress: (loaded, total) => {
        this.signal.throwIfAborted();
        this.progress.show('Loading', loaded, total);
      },
    });
    this.seconds.load = (performance.now() - start) / 1000;
    this.checkSize(pipeline.vae.pixelsPerLatent);
    return pipeline;
  }

  /** Generates one picture a prompt from the run's seed, or another. The tensors are the caller's to dispose. */
  async generate(
    pipeline: StableDiffusionPipeline,
    task: string,
    prompts: readonly string[],
    options: Omit<RunOptions, 'signal' | 'onWarning'> = {},
  ): Promise<Made> {
    const { seed, steps, guidance, sampler, height, width, negative } = this.settings;
    let last = performance.now();
    const made = await pipeline.generate(prompts, {
      seed,
      steps,
      guidance,
      sampler,
      height,
      width,
      negative,
      ...options,
      memory: this.manner.memory,
      signal: this.signal,
      onWarning: (message) => this.warn(message),
      onStep: ({ step, steps, seconds }) => {
        this.progress.show(task, step + 1, steps, 'steps');
        this.seconds.steps.push(seconds);
        last = performance.now();
      },
    });
    const pictures = await toPictures(made.images);
    this.seconds.decode += (performance.now() - last) / 1000;
    return { ...made, pictures };
  }

  /** Adds the settings, all that is needed to do it again, as a file for `--from`. */
  async writeSettings(name: string): Promise<void> {
    await this.write(
      name,
      `${JSON.stringify({ ...this.settings, model: portable(this.settings.model), version }, undefined, 2)}\n`,
    );
  }

  /** Adds a file to the command's folder. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    await this.outputs.write(name, bytes);
  }

  /** Writes the file of `--tensors`, if it was asked for. */
  async writeTensors(made: Generation): Promise<void> {
    const path = this.outputs.pathOf('tensors');
    if (path !== undefined) await writeFile(path, await tensorFile(made));
  }

  /**
   * How a generation is to be recorded, if that was asked for.
   *
   * @param self the share of the steps of which the command itself takes self-attention, at grids of up to `size` x
   *   `size`
   */
  recordOptions(self: StepRange = 0, size?: number): RecordOptions | undefined {
    const path = this.outputs.pathOf('record');
    return path === undefined
      ? undefined
      : { to: fileSink(path), model: portable(this.settings.model), ...recordOptions(this.manner, self, size) };
  }

  private warn(message: string): void {
    if (this.warnings.includes(message)) return;
    this.warnings.push(message);
    if (!this.manner.quiet) process.stderr.write(`warning: ${message}\n`);
  }

  private checkSteps(scheduler: ConfigFile): void {
    const { sampler, steps } = this.settings;
    try {
      createSampler(scheduler, { sampler, steps });
    } catch (error) {
      throw error instanceof RangeError ? new UsageError(`--steps ${steps}: ${error.message}`) : error;
    }
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
        `${JSON.stringify({ command, folder, files, settings, backend, versions, seconds, peakMemoryBytes, warnings, ...details }, undefined, 2)}\n`,
      );
    } else if (!manner.quiet) {
      const sum = seconds.steps.reduce((total, step) => total + step, 0);
      process.stdout.write(
        [
          `Wrote ${relative('.', folder) || '.'}: ${files.map((file) => relative(folder, file)).join(', ')}`,
          `Loaded in ${duration(seconds.load)}, ${seconds.steps.length} steps in ${duration(sum)}, decoded in ${duration(seconds.decode)}; ${backend?.name} with ${backend?.threads} thread${backend?.threads === 1 ? '' : 's'}, ${scaled(peakMemoryBytes, 'B')} at the peak.`,
          ...(text === undefined ? [] : ['', text]),
          '',
        ].join('\n'),
      );
    }
  }
}

/** A model's name that leads to it from any folder. */
function portable(model: string): string {
  return existsSync(model) ? resolve(model) : model;
}
