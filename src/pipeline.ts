import * as tf from '@tensorflow/tfjs';
import { compose } from './attention/compose';
import { type Context, FixedContext } from './attention/context';
import type { AttentionController, AttentionSite, BatchRow, Grid, Run } from './attention/controller';
import { withAttentionBytes } from './attention/scaledDotProduct';
import { prepareWasm } from './backend/wasmKernels';
import type { ConfigFile } from './config';
import { AUTHORS_DEFAULTS, type Defaults, defaultsOf } from './defaults';
import { longestSelf } from './edits/prompt-to-prompt/shares';
import { attentionBytes, memoryNeeds } from './memory';
import type { AutoencoderKL } from './model/autoencoderKL';
import type { CLIPTextModel } from './model/clipText';
import type { Network } from './model/network';
import type { UNet2DConditionModel } from './model/unet';
import { networksOf } from './networks';
import type { RecordedSettings } from './recording/description';
import { fingerprints } from './recording/fingerprint';
import { Playback } from './recording/playback';
import { besideRecorded } from './recording/recordedSource';
import { describe, Recorder, type RecordOptions } from './recording/recorder';
import type { Recording } from './recording/recording';
import { optionsFor, settingsIn } from './recording/settings';
import { type DenoisingStep, denoise, type Predict } from './sampler/denoise';
import { guided } from './sampler/guidance';
import { randomLatents, TorchGenerator } from './sampler/noise';
import { createSampler, type SamplerName } from './sampler/sampler';
import { CLIPTokenizer, type TokenizedPrompt, type Tokenizer } from './text/tokenizer';
import type { Checkpoint, NetworkName } from './weights/checkpoint';
import { loadParameters } from './weights/load';

/** What a pipeline is composed of; all of one checkpoint. */
export interface PipelineParts {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: AutoencoderKL;
  readonly scheduler: ConfigFile;
  /** What suits the checkpoint. Default: the authors', {@link AUTHORS_DEFAULTS}. */
  readonly defaults?: Defaults;
}

/** How a run goes. What is left out has the default that is stated with it. */
export interface RunOptions {
  /** Seed of the noise, which is PyTorch's: `torch.Generator('cpu').manual_seed(seed)`. 8888 unless told. */
  readonly seed?: number | bigint;
  /** Default: the pipeline's. */
  readonly steps?: number;
  /** How strongly the prompt is followed; 1 leaves the unconditional rows out. Default: the pipeline's. */
  readonly guidance?: number;
  /** What to be guided away from: one text for all prompts, or one for each. */
  readonly negative?: string | readonly string[];
  /** Default: the pipeline's. */
  readonly sampler?: SamplerName;
  /** DDIM's share of fresh noise, 0 to 1; 0 unless told. */
  readonly eta?: number;
  /** Karras' noise levels, for `dpm++`; as the checkpoint says unless told. */
  readonly karras?: boolean;
  /** In pixels, multiples of {@link AutoencoderKL.pixelsPerLatent}; the checkpoint's own size unless told. */
  readonly height?: number;
  readonly width?: number;
  /** Noise to start from instead of the seed's, [1, height, width, channels] of the latents; stays the caller's. */
  readonly noise?: tf.Tensor4D;
  readonly controller?: AttentionController;
  /** Writes down what edits of the source, the first prompt, need of it: for `recording`. */
  readonly record?: RecordOptions;
  /**
   * The source's run, made before: only the targets are computed. Options left out are the recording's; others must be
   * the same.
   */
  readonly recording?: Recording;
  /**
   * Bytes for the weights and the run: attention keeps to it by smaller chunks, and what by estimate does not fit is
   * refused. No limit unless told.
   */
  readonly memory?: number;
  /** Stops the run before its next step, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
  /** Told of what is odd but no error, such as a prompt that is cut off; `console.warn` unless told. */
  readonly onWarning?: (message: string) => void;
}

/** A run's options, and who is told of its steps. */
export interface GenerateOptions extends RunOptions {
  readonly onStep?: (step: DenoisingStep) => void;
}

/** What a run made. The tensors are the caller's to dispose. */
export interface Generation {
  /** [prompts, height, width, 3], -1 to 1. */
  readonly images: tf.Tensor4D;
  /** Of the last step, [prompts, height, width, channels], as the UNet knows them. */
  readonly latents: tf.Tensor4D;
  /** What the run started from, [1, height, width, channels]. */
  readonly noise: tf.Tensor4D;
  /**
   * The encoded prompts, [rows, tokens, features]: the unconditional rows (none at guidance 1), then the conditional.
   */
  readonly context: tf.Tensor3D;
}

/** @internal What holds unless told, for every checkpoint. */
export const DEFAULTS = { seed: 8888, negative: '', eta: 0 } as const;

/** A run's options, with what was left out. */
type Settled = RunOptions & Required<Pick<RunOptions, keyof typeof DEFAULTS | 'steps' | 'guidance' | 'sampler'>>;

/** A run as it is set up, before its first step. */
interface Start {
  readonly noise: tf.Tensor4D;
  readonly context: FixedContext;
}

/** Text encoder, UNet, VAE, sampler and controllers, composed into pictures (diffusers `StableDiffusionPipeline`). */
export class StableDiffusionPipeline {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: AutoencoderKL;
  readonly scheduler: ConfigFile;
  /** Guidance, steps and sampler of a run that says nothing of them, and how much of the source each kind of edit takes. */
  readonly defaults: Defaults;

  /** @throws Error if the parts do not fit together */
  constructor(parts: PipelineParts) {
    prepareWasm(); // Of use where that backend is.
    ({
      tokenizer: this.tokenizer,
      textEncoder: this.textEncoder,
      unet: this.unet,
      vae: this.vae,
      scheduler: this.scheduler,
      defaults: this.defaults = AUTHORS_DEFAULTS,
    } = parts);
    const fits = (what: string, a: number, b: number) => {
      if (a !== b) throw new Error(`${what} differ: ${a} and ${b}. These networks are not of one checkpoint.`);
    };
    fits(
      "The text encoder's hidden_size and the UNet's cross_attention_dim",
      this.textEncoder.config.hidden_size,
      this.unet.config.cross_attention_dim,
    );
    fits(
      "The tokenizer's model_max_length and the text encoder's max_position_embeddings",
      this.tokenizer.maxLength,
      this.textEncoder.config.max_position_embeddings,
    );
    fits(
      "The VAE's latent_channels and the UNet's out_channels",
      this.vae.config.latent_channels,
      this.unet.config.out_channels,
    );
  }

  /**
   * Loads all of a checkpoint, one tensor at a time.
   *
   * @param onProgress told how many of the networks' numbers are loaded, of how many
   * @throws CheckpointError naming the file, the key or the tensors that do not fit
   */
  static async load(
    checkpoint: Checkpoint,
    { onProgress }: { onProgress?: (loaded: number, total: number) => void } = {},
  ): Promise<StableDiffusionPipeline> {
    const pipeline = new StableDiffusionPipeline({
      ...(await networksOf(checkpoint)),
      tokenizer: new CLIPTokenizer(await checkpoint.tokenizer()),
      scheduler: await checkpoint.config('scheduler'),
      defaults: await defaultsOf(checkpoint),
    });

    const networks: readonly (readonly [NetworkName, Network])[] = [
      ['text_encoder', pipeline.textEncoder],
      ['unet', pipeline.unet],
      ['vae', pipeline.vae],
    ];
    const total = pipeline.size;
    let before = 0;
    try {
      for (const [name, network] of networks) {
        await loadParameters(network.parameters, await checkpoint.weights(name), {
          onProgress: (loaded) => onProgress?.(before + loaded, total),
        });
        before += network.size;
      }
    } catch (error) {
      pipeline.dispose();
      throw error;
    }
    return pipeline;
  }

  /** How many numbers the networks' parameters hold. */
  get size(): number {
    return this.textEncoder.size + this.unet.size + this.vae.size;
  }

  /** What the networks' parameters take of memory. */
  get bytes(): number {
    return this.textEncoder.bytes + this.unet.bytes + this.vae.bytes;
  }

  /** Every attention layer of the UNet, in the order in which an evaluation comes by. */
  get sites(): readonly AttentionSite[] {
    return this.unet.sites;
  }

  /** The size of pictures that the checkpoint was trained for, in pixels. */
  get defaultSize(): Grid {
    // A config without a size is of a UNet for Stable Diffusion's 512x512 (diffusers' `default_sample_size`).
    const size = this.unet.config.sample_size ?? 64;
    const [height, width] = typeof size === 'number' ? [size, size] : size;
    return { height: height * this.vae.pixelsPerLatent, width: width * this.vae.pixelsPerLatent };
  }

  /** @returns [prompts, tokens, features]; the caller's to dispose */
  encode(prompts: readonly (string | TokenizedPrompt)[]): tf.Tensor3D {
    return this.textEncoder.forward(
      prompts.map((prompt) => (typeof prompt === 'string' ? this.tokenizer.tokenize(prompt) : prompt).ids),
    );
  }

  /**
   * @param latents [rows, height, width, channels], as the UNet knows them @returns [rows, height, width, 3], -1 to 1
   */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    return tf.tidy(() => tf.clipByValue(this.vae.decode(tf.add(tf.div(latents, scale), shift ?? 0)), -1, 1));
  }

  /**
   * Takes noise to latents for all the prompts at once; the first is the source, and all share its noise.
   * Leaving the loop ends the run; however it ends, nothing of it stays in memory.
   *
   * @returns steps whose tensors are lent: see {@link DenoisingStep}
   * @throws RangeError for options out of range; MemoryError if the run does not fit into `memory`; RecordingError if a
   *   recording is not of this run; the signal's reason if it stops the run
   */
  async *run(prompts: readonly string[], options: RunOptions = {}): AsyncGenerator<DenoisingStep, void, undefined> {
    const settled = await this.settle(prompts, options);
    const start = this.start(prompts, settled);
    try {
      yield* this.steps(prompts, start, settled);
    } finally {
      end(start);
    }
  }

  /** {@link run} to its end, and the pictures of it. */
  async generate(prompts: readonly string[], options: GenerateOptions = {}): Promise<Generation> {
    const settled = await this.settle(prompts, options);
    const start = this.start(prompts, settled);
    let latents: tf.Tensor4D | undefined;
    try {
      for await (const step of this.steps(prompts, start, settled)) {
        options.onStep?.(step);
        latents?.dispose();
        latents = step.latents.clone();
      }
      // A sampler has at least one step.
      return {
        noise: start.noise.clone(),
        context: start.context.tensor(),
        latents: latents!,
        images: this.decode(latents!),
      };
    } catch (error) {
      latents?.dispose();
      throw error;
    } finally {
      end(start);
    }
  }

  dispose(): void {
    for (const network of [this.textEncoder, this.unet, this.vae]) network.dispose();
  }

  /** The options with what was left out: a recording's, or the defaults. */
  private async settle(prompts: readonly string[], options: RunOptions): Promise<Settled> {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as RunOptions;
    const { recording } = given;
    const { guidance, steps, sampler } = this.defaults;
    const defaults = { ...DEFAULTS, guidance, steps, sampler };
    if (!recording) return { ...defaults, ...given };
    if (prompts.length < 2) throw new RangeError('A run from a recording needs a target prompt, after the source.');
    for (const name of ['noise', 'record'] as const)
      if (given[name])
        throw new RangeError(`A run from a recording takes its source as it was recorded: leave out ${name}.`);
    recording.checkSettings(settingsIn(prompts, given));
    const settled = { ...defaults, ...optionsFor(recording.settings), ...given };
    recording.checkModel(await fingerprints(this, settled.sampler));
    return settled;
  }

  private start(prompts: readonly string[], options: Settled): Start {
    const { guidance, negative, onWarning = console.warn } = options;
    if (prompts.length === 0) throw new RangeError('A run needs a prompt.');
    const negatives = typeof negative === 'string' ? prompts.map(() => negative) : negative;
    if (negatives.length !== prompts.length)
      throw new RangeError(
        `${prompts.length} prompts and ${negatives.length} negative prompts: give one for all, or one for each.`,
      );

    const rows = [...(guidance === 1 ? [] : negatives), ...prompts];
    const texts = [...new Set(rows)];
    const tokenized = texts.map((text) => this.tokenizer.tokenize(text));
    for (const { text, lost } of tokenized) {
      if (lost)
        onWarning(
          `The prompt is longer than the text encoder's ${this.tokenizer.maxLength} tokens. Cut off: "${lost}" of "${text}".`,
        );
    }
    return {
      noise: this.noise(options),
      context: new FixedContext(
        this.encode(tokenized),
        rows.map((text) => texts.indexOf(text)),
      ),
    };
  }

  private noise({
    seed,
    height = this.defaultSize.height,
    width = this.defaultSize.width,
    noise,
    recording,
  }: Settled): tf.Tensor4D {
    if (recording) return recording.noise();
    const { pixelsPerLatent } = this.vae;
    const channels = this.vae.config.latent_channels;
    if (noise) {
      if (noise.shape[0] !== 1 || noise.shape[3] !== channels)
        throw new RangeError(`The noise is [${noise.shape}]: it must be [1, height, width, ${channels}].`);
      return noise.clone();
    }
    for (const [name, pixels] of Object.entries({ height, width })) {
      if (!(Number.isInteger(pixels) && pixels > 0 && pixels % pixelsPerLatent === 0))
        throw new RangeError(`The ${name} is ${pixels}: it must be a multiple of ${pixelsPerLatent} pixels.`);
    }
    return randomLatents(new TorchGenerator(seed), {
      height: height / pixelsPerLatent,
      width: width / pixelsPerLatent,
      channels,
    });
  }

  private async *steps(
    prompts: readonly string[],
    { noise, context }: Start,
    options: Settled,
  ): AsyncGenerator<DenoisingStep, void, undefined> {
    const { seed, steps, guidance, sampler: name, eta, karras, signal, record, recording, memory } = options;
    const [, height, width] = noise.shape;
    // Fresh noise goes on where the starting noise ended, as one PyTorch generator for both would.
    const generator = new TorchGenerator(seed);
    generator.randn([1, noise.shape[3], height, width]);
    const sampler = createSampler(this.scheduler, { sampler: name, steps, eta, karras, generator });
    const run: Run = { prompts: prompts.length, steps: sampler.timesteps.length, latents: { height, width } };

    const recorder =
      record &&
      new Recorder(
        record,
        noise,
        describe({ ...record, self: record.self ?? longestSelf(this.defaults.shares) }, run, {
          settings: this.settingsOf(prompts, options, run.latents),
          model: await fingerprints(this, name),
        }),
      );
    const playback = recording && new Playback(recording);
    const controller = watched(options.controller, recorder, playback);
    const all = batchRows(prompts.length, guidance);
    const rows = playback ? all.filter(({ prompt }) => prompt > 0) : all;
    const batch = context.pick(rows.map((row) => all.indexOf(row)));
    const latents = tf.tile(noise, [prompts.length, 1, 1, 1]);
    try {
      await playback?.next();
      controller?.begin?.(run);
      const attention = memory && attentionBytes(memoryNeeds(this, run, rows, batch.shape[1], controller), memory);
      const network = guided(this.predictor(batch, rows, run, { controller, attention }), guidance);
      const predict = playback ? playback.besides(network) : network;
      for await (const step of denoise({
        sampler,
        latents,
        predict,
        signal,
        onLatents: controller?.onLatents?.bind(controller),
      })) {
        await recorder?.write(step);
        yield step;
        await playback?.next();
      }
      await recorder?.close();
    } finally {
      controller?.end?.();
      latents.dispose();
      batch.dispose();
      await recorder?.discard();
    }
  }

  /** What a recording says of a run. */
  private settingsOf(prompts: readonly string[], options: Settled, { height, width }: Grid): RecordedSettings {
    const { pixelsPerLatent } = this.vae;
    return {
      karras: null,
      ...settingsIn(prompts, options),
      height: height * pixelsPerLatent,
      width: width * pixelsPerLatent,
    } as RecordedSettings;
  }

  private predictor(
    context: Context,
    rows: readonly BatchRow[],
    { steps, latents }: Run,
    { controller, attention }: { controller?: AttentionController; attention?: number },
  ): Predict {
    return (input, timestep, step) => {
      const control = controller && { controller, evaluation: { step, steps, timestep, latents, rows } };
      const forward = () => this.unet.forward(input, timestep, context, control);
      return attention ? withAttentionBytes(attention, forward) : forward();
    };
  }
}

function end({ noise, context }: Start): void {
  noise.dispose();
  context.dispose();
}

/** What the rows of a batch are: unconditional ones for all prompts unless guidance is 1, then the conditional. */
function batchRows(prompts: number, guidance: number): BatchRow[] {
  const rows = (conditional: boolean) => Array.from({ length: prompts }, (_, prompt) => ({ prompt, conditional }));
  return guidance === 1 ? rows(true) : [...rows(false), ...rows(true)];
}

/** The controller of a run that is recorded, or whose source was. */
function watched(
  controller: AttentionController | undefined,
  recorder?: Recorder,
  playback?: Playback,
): AttentionController | undefined {
  if (playback) return controller && besideRecorded(playback, controller);
  return recorder ? compose(recorder.controller, ...(controller ? [controller] : [])) : controller;
}
