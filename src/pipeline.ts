import * as tf from '@tensorflow/tfjs';
import type { AttentionSite, BatchRow, FeatureSite, Grid } from './attention/controller';
import { withAttentionBytes } from './attention/scaledDotProduct';
import type { ConfigFile } from './config';
import { AUTHORS_DEFAULTS, type Defaults, defaultsOf } from './defaults';
import { longestSelf } from './edits/prompt-to-prompt/shares';
import { allFinite, NotFiniteError } from './finite';
import { guidancesOf, rolesOf } from './guidance/combined';
import type { GuidanceRow } from './guidance/guidance';
import type { Network } from './model/network';
import type { PromptEncoder, UNet, VAE } from './model/roles';
import { networksOf } from './networks';
import type { Companion } from './recording/companion';
import type { RecordedSettings } from './recording/description';
import { fingerprints } from './recording/fingerprint';
import { Playback } from './recording/playback';
import { describe, Recorder } from './recording/recorder';
import { checkOwn, optionsFor, settingsIn } from './recording/settings';
import { createSampler } from './sampler/createSampler';
import type { DenoisingStep } from './sampler/denoise';
import { randomLatents, TorchGenerator } from './sampler/noise';
import type { Sampler } from './sampler/sampler';
import { RowContexts } from './session/contexts';
import { attentionBytes, memoryNeeds } from './session/memory';
import {
  DEFAULTS,
  type GenerateOptions,
  type Generation,
  type RunOptions,
  type SettledOptions,
} from './session/options';
import { Session } from './session/session';
import { foreignSyntax } from './text/foreignSyntax';
import { CLIPTokenizer, type TokenizedPrompt, type Tokenizer } from './text/tokenizer';
import type { Checkpoint, NetworkName } from './weights/checkpoint';
import { loadParameters } from './weights/load';

/** What a pipeline is composed of; all of one checkpoint. */
export interface PipelineParts {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  readonly vae: VAE;
  readonly scheduler: ConfigFile;
  /** What suits the checkpoint. Default: the authors', {@link AUTHORS_DEFAULTS}. */
  readonly defaults?: Defaults;
  /** See {@link StableDiffusionPipeline.notes}. */
  readonly notes?: readonly string[];
}

/** Text encoder, UNet, VAE, sampler and controllers, composed into pictures (diffusers `StableDiffusionPipeline`). */
export class StableDiffusionPipeline {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  readonly vae: VAE;
  readonly scheduler: ConfigFile;
  /** Guidance, steps and sampler of a run that says nothing of them, and how much of the source each kind of edit takes. */
  readonly defaults: Defaults;
  /** What was assumed of the checkpoint where it does not say, and what is odd about it; for people. */
  readonly notes: readonly string[];

  /** @throws Error if the parts do not fit together */
  constructor(parts: PipelineParts) {
    ({
      tokenizer: this.tokenizer,
      textEncoder: this.textEncoder,
      unet: this.unet,
      vae: this.vae,
      scheduler: this.scheduler,
      defaults: this.defaults = AUTHORS_DEFAULTS,
      notes: this.notes = [],
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
   * Loads all of a checkpoint, one tensor at a time. For the wasm backend call `prepareWasm()` before, unless the
   * backend was started by this package: a pipeline itself replaces none of tfjs's kernels.
   *
   * @param onProgress told how many of the networks' numbers are loaded, of how many
   * @throws CheckpointError naming the file, the key or the tensors that do not fit
   */
  static async load(
    checkpoint: Checkpoint,
    { onProgress }: { onProgress?: (loaded: number, total: number) => void } = {},
  ): Promise<StableDiffusionPipeline> {
    const networks = await networksOf(checkpoint);
    const tokenizer = new CLIPTokenizer(await checkpoint.tokenizer());
    const pipeline = new StableDiffusionPipeline({
      ...networks,
      tokenizer,
      scheduler: await checkpoint.config('scheduler'),
      defaults: await defaultsOf(checkpoint),
      notes: [...(await checkpoint.notes()), ...wordless(tokenizer.size, networks.textEncoder.config.vocab_size)],
    });

    const parts: readonly (readonly [NetworkName, Network])[] = [
      ['text_encoder', pipeline.textEncoder],
      ['unet', pipeline.unet],
      ['vae', pipeline.vae],
    ];
    const total = pipeline.size;
    let before = 0;
    try {
      for (const [name, network] of parts) {
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

  /** Every place of the UNet where a controller may have features outside of attention, in the same order. */
  get featureSites(): readonly FeatureSite[] {
    return this.unet.featureSites;
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
    return tf.tidy(() => tf.clipByValue(this.unclipped(latents), -1, 1));
  }

  /**
   * Pictures as the UNet knows them: the mean of what the encoder sees in each.
   *
   * @param images [rows, height, width, 3], -1 to 1; sides that are multiples of {@link VAE.pixelsPerLatent}
   * @returns [rows, height, width, channels] of the latents; the caller's to dispose
   */
  toLatents(images: tf.Tensor4D): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    return tf.tidy(() => tf.mul(tf.sub(this.vae.encode(images).mean, shift ?? 0), scale));
  }

  /**
   * Sets up a run, for a loop of one's own; `run` and `generate` are the usual one. The first prompt is the source, and
   * all share its noise.
   *
   * @throws RangeError for options out of range; MemoryError if the run does not fit into `memory`; RecordingError if a
   *   recording is not of this run
   */
  async session(prompts: readonly string[], options: RunOptions = {}): Promise<Session> {
    if (prompts.length === 0) throw new RangeError('A run needs a prompt.');
    const settled = await this.settle(prompts, options);
    const guidances = guidancesOf(settled.guidance);
    const noise = this.noise(settled);
    let session: Session | undefined;
    try {
      const sampler = this.sampler(settled, noise);
      const companion = await this.companion(prompts, settled, noise, sampler);
      let attention: number | undefined;
      session = new Session({
        prompts,
        noise,
        sampler,
        guidances,
        companion,
        contexts: await this.contexts(prompts, rolesOf(guidances), {
          ...settled,
          context: { ...companion?.contexts, ...settled.context },
        }),
        controller: settled.controller,
        omit: settled.omit,
        signal: settled.signal,
        network: (latents, timestep, context, control) => {
          const forward = () => this.unet.forward(latents, timestep, context, control);
          return attention ? withAttentionBytes(attention, forward) : forward();
        },
        decode: (latents) => this.decode(latents),
      });
      await session.begin();
      if (settled.memory) {
        const { run, rows, controller } = session;
        const { timesteps } = sampler;
        const needs = memoryNeeds(this, { run, rows, timesteps, tokens: this.tokenizer.maxLength, controller });
        attention = attentionBytes(needs, settled.memory);
      }
      return session;
    } catch (error) {
      if (session) await session.end();
      else noise.dispose();
      throw error;
    }
  }

  /**
   * Takes noise to latents for all the prompts at once; the first is the source, and all share its noise.
   * Leaving the loop ends the run; however it ends, nothing of it stays in memory.
   *
   * @returns steps whose tensors are lent: see {@link DenoisingStep}
   * @throws as {@link session}; the signal's reason if it stops the run
   */
  async *run(prompts: readonly string[], options: RunOptions = {}): AsyncGenerator<DenoisingStep, void, undefined> {
    const session = await this.session(prompts, options);
    try {
      yield* session.steps();
    } finally {
      await session.end();
    }
  }

  /** {@link run} to its end, and the pictures of it. */
  async generate(prompts: readonly string[], options: GenerateOptions = {}): Promise<Generation> {
    const session = await this.session(prompts, options);
    let latents: tf.Tensor4D | undefined;
    try {
      for await (const step of session.steps()) {
        options.onStep?.(step);
        latents?.dispose();
        latents = step.latents.clone();
      }
      // A sampler has at least one step.
      const images = await this.finitePictures(latents!);
      return { images, latents: latents!, noise: session.noise.clone(), context: session.context() };
    } catch (error) {
      latents?.dispose();
      throw error;
    } finally {
      await session.end();
    }
  }

  dispose(): void {
    for (const network of [this.textEncoder, this.unet, this.vae]) network.dispose();
  }

  /** The options with what was left out: a recording's, or the defaults. */
  private async settle(prompts: readonly string[], options: RunOptions): Promise<SettledOptions> {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as RunOptions;
    const { recording, sampler } = given;
    const { guidance, steps, sampler: usual } = this.defaults;
    const defaults = { ...DEFAULTS, guidance, steps, sampler: usual };
    if (typeof sampler === 'object') {
      for (const name of ['steps', 'eta', 'karras'] as const)
        if (given[name] !== undefined)
          throw new RangeError(`A sampler of your own has its own steps and settings: leave out ${name}.`);
    }
    if (!recording) return { ...defaults, ...given };
    if (prompts.length < 2) throw new RangeError('A run from a recording needs a target prompt, after the source.');
    for (const name of ['noise', 'record'] as const)
      if (given[name])
        throw new RangeError(`A run from a recording takes its source as it was recorded: leave out ${name}.`);
    recording.checkSettings(settingsIn(prompts, given));
    checkOwn(recording.settings, given, recording.name);
    const settled = { ...defaults, ...optionsFor(recording.settings), ...given };
    recording.checkModel(await fingerprints(this, settled.sampler));
    return settled;
  }

  private noise({
    seed,
    height = this.defaultSize.height,
    width = this.defaultSize.width,
    noise,
    recording,
  }: SettledOptions): tf.Tensor4D {
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

  private unclipped(latents: tf.Tensor4D): tf.Tensor4D {
    const { scaling_factor: scale, shift_factor: shift } = this.vae.config;
    return tf.tidy(() => this.vae.decode(tf.add(tf.div(latents, scale), shift ?? 0)));
  }

  /** As `decode`. @throws NotFiniteError if clipping would hide that there is no picture */
  private async finitePictures(latents: tf.Tensor4D): Promise<tf.Tensor4D> {
    const pictures = this.unclipped(latents);
    try {
      if (!allFinite(await pictures.data()))
        throw new NotFiniteError(
          "The VAE made pictures of numbers that are not finite, from latents that are: one of its decoder's weights may not be finite, or too large.",
        );
      return tf.clipByValue(pictures, -1, 1);
    } finally {
      pictures.dispose();
    }
  }

  private sampler({ sampler, seed, steps, eta, karras }: SettledOptions, { shape }: tf.Tensor4D): Sampler {
    if (typeof sampler === 'object') return sampler;
    // Fresh noise goes on where the starting noise ended, as one PyTorch generator for both would.
    const [, height, width, channels] = shape;
    const generator = new TorchGenerator(seed);
    generator.randn([1, channels, height, width]);
    return createSampler(this.scheduler, { sampler, steps, eta, karras, generator });
  }

  /** What each row reads, all texts encoded. */
  private async contexts(
    prompts: readonly string[],
    kinds: readonly GuidanceRow[],
    { negative, context, onWarning = console.warn }: SettledOptions,
  ): Promise<RowContexts> {
    const negatives = typeof negative === 'string' ? prompts.map(() => negative) : negative;
    if (negatives.length !== prompts.length)
      throw new RangeError(
        `${prompts.length} prompts and ${negatives.length} negative prompts: give one for all, or one for each.`,
      );
    const textOf = ({ prompt, role }: BatchRow): string => {
      const text = kinds.find((kind) => kind.role === role)?.text;
      if (text === undefined)
        throw new RangeError(`No guidance of this run has ${role} rows: say what they read, by context.`);
      if (typeof text === 'object') return text.of;
      return (text === 'negative' ? negatives : prompts)[prompt];
    };
    const texts = [...new Set(kinds.flatMap(({ role }) => prompts.map((_, prompt) => textOf({ prompt, role }))))];
    const tokenized = texts.map((text) => this.tokenizer.tokenize(text));
    for (const { text, lost } of tokenized) {
      const syntax = foreignSyntax(text);
      if (syntax)
        onWarning(
          `"${syntax}" in the prompt is taken as it is written: weights and other syntax inside a prompt are not read. Give weights beside it (--weight WORD=F, or weights: { word: f } in a script).`,
        );
      if (lost)
        onWarning(
          `The prompt is longer than the text encoder's ${this.tokenizer.maxLength} tokens. Cut off: "${lost}" of "${text}".`,
        );
    }
    const encoded = this.encode(tokenized);
    if (!allFinite(await encoded.data())) {
      encoded.dispose();
      throw new NotFiniteError(
        'The text encoder made numbers of the prompts that are not finite: one of its weights may not be finite, or too large.',
      );
    }
    return new RowContexts(encoded, (row) => texts.indexOf(textOf(row)), context);
  }

  /** The recorder or the playback of a run that has one. */
  private async companion(
    prompts: readonly string[],
    options: SettledOptions,
    noise: tf.Tensor4D,
    sampler: Sampler,
  ): Promise<Companion | undefined> {
    const { record, recording } = options;
    if (recording) return new Playback(recording);
    if (!record) return undefined;
    const [, height, width] = noise.shape;
    const run = { prompts: prompts.length, steps: sampler.timesteps.length, latents: { height, width } };
    const { pixelsPerLatent } = this.vae;
    const settings = {
      karras: null,
      ...settingsIn(prompts, options),
      height: height * pixelsPerLatent,
      width: width * pixelsPerLatent,
    } as RecordedSettings;
    const model = await fingerprints(this, options.sampler);
    const how = { ...record, self: record.self ?? longestSelf(this.defaults.shares) };
    const embeddings = options.context?.unconditional;
    return new Recorder(
      how,
      noise,
      run.steps,
      describe(how, run, { settings, model }),
      Array.isArray(embeddings) ? embeddings : undefined,
    );
  }
}

/** @param tokens of the tokenizer @param rows of the text encoder: words that were added have rows at its end */
function wordless(tokens: number, rows: number): string[] {
  if (rows <= tokens) return [];
  return [
    `The text encoder knows ${rows} tokens and the tokenizer ${tokens}: ${rows - tokens} of them no prompt can have. Words that were added to the model are in the tokenizer's added_tokens.json: if it is missing, get it.`,
  ];
}
