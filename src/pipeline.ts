import type * as tf from '@tensorflow/tfjs';
import type { AttentionController, AttentionSite, FeatureSite, Grid } from './attention/controller';
import type { ConfigFile } from './config';
import { AUTHORS_DEFAULTS, type Defaults, defaultsOf } from './defaults';
import { guidancesOf, rolesOf } from './guidance/combined';
import { defaultLatents } from './model/cost';
import { PixelSpace } from './model/pixelSpace';
import type { Networks, PromptEncoder, UNet, VAE } from './model/roles';
import { byName, loadNetworks, networksOf } from './networks';
import type { GenerateOptions, Generation, RunOptions } from './options';
import { playback, recordedOptions, recorder } from './recording/accompany';
import { createSampler } from './sampler/createSampler';
import type { DenoisingStep } from './sampler/denoise';
import type { Sampler } from './sampler/sampler';
import type { Companion } from './session/companion';
import { memoryNeeds, withinMemory } from './session/memory';
import { freshNoise, startingNoise } from './session/noise';
import { type SettledOptions, settle, stated } from './session/options';
import { Session } from './session/session';
import { PictureSide } from './sides/pictureSide';
import { TextSide, wordless } from './sides/textSide';
import { CLIPTokenizer, type TokenizedPrompt, type Tokenizer } from './text/tokenizer';
import type { Checkpoint } from './weights/checkpoint';

/** What a pipeline is composed of; all of one checkpoint. */
export interface PipelineParts {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  /** None for a UNet that works on pixels, or to have its latents alone. */
  readonly vae?: VAE;
  readonly scheduler: ConfigFile;
  /** What suits the checkpoint. Default: the authors', {@link AUTHORS_DEFAULTS}. */
  readonly defaults?: Defaults;
  /** See {@link StableDiffusionPipeline.notes}. */
  readonly notes?: readonly string[];
}

/** Who is asked outside of a run. */
export interface ControllerOptions {
  readonly controller?: AttentionController;
}

/** Text encoder, UNet, VAE, sampler and controllers, composed into pictures (diffusers `StableDiffusionPipeline`). */
export class StableDiffusionPipeline implements Networks {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  readonly vae: VAE;
  readonly scheduler: ConfigFile;
  /** Guidance, steps and sampler of a run that says nothing of them, and how much of the source each kind of edit takes. */
  readonly defaults: Defaults;
  /** What was assumed of the checkpoint where it does not say, and what is odd about it; for people. */
  readonly notes: readonly string[];
  private readonly texts: TextSide;
  private readonly pictures: PictureSide;

  /** @throws Error if the parts do not fit together */
  constructor(parts: PipelineParts) {
    ({
      tokenizer: this.tokenizer,
      textEncoder: this.textEncoder,
      unet: this.unet,
      vae: this.vae = new PixelSpace(parts.unet.config.in_channels),
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
    this.texts = new TextSide(this.tokenizer, this.textEncoder);
    this.pictures = new PictureSide(this.vae);
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
      notes: [...(await checkpoint.notes()), ...wordless(tokenizer, networks.textEncoder)],
    });
    await loadNetworks(networks, checkpoint, onProgress);
    return pipeline;
  }

  /** How many numbers the networks' parameters hold. */
  get size(): number {
    return byName(this).reduce((sum, [, { size }]) => sum + size, 0);
  }

  /** What the networks' parameters take of memory. */
  get bytes(): number {
    return byName(this).reduce((sum, [, { bytes }]) => sum + bytes, 0);
  }

  /**
   * Every attention layer of the UNet, in the order in which an evaluation comes by; `textEncoder` and `vae` have sites
   * of their own.
   */
  get sites(): readonly AttentionSite[] {
    return this.unet.sites;
  }

  /** Every place of the UNet where a controller may have features outside of attention, in the same order. */
  get featureSites(): readonly FeatureSite[] {
    return this.unet.featureSites;
  }

  /** The size of pictures that the checkpoint was trained for, in pixels. */
  get defaultSize(): Grid {
    const { height, width } = defaultLatents(this.unet.config);
    return { height: height * this.vae.pixelsPerLatent, width: width * this.vae.pixelsPerLatent };
  }

  /**
   * @param prompts as they are written, or their tokens
   * @param options the controller is asked at the text encoder's attention, if `text` is among its kinds
   * @returns [prompts, tokens, features]; the caller's to dispose
   */
  encode(prompts: readonly (string | TokenizedPrompt)[], { controller }: ControllerOptions = {}): tf.Tensor3D {
    return this.texts.encode(prompts, controller);
  }

  /**
   * @param latents [rows, height, width, channels], as the UNet knows them
   * @param options the controller is asked at the decoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, 3], -1 to 1
   */
  decode(latents: tf.Tensor4D, { controller }: ControllerOptions = {}): tf.Tensor4D {
    return this.pictures.decode(latents, controller);
  }

  /**
   * Pictures as the UNet knows them: the mean of what the encoder sees in each.
   *
   * @param images [rows, height, width, 3], -1 to 1; sides that are multiples of {@link VAE.pixelsPerLatent}
   * @param options the controller is asked at the encoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, channels] of the latents; the caller's to dispose
   */
  toLatents(images: tf.Tensor4D, { controller }: ControllerOptions = {}): tf.Tensor4D {
    return this.pictures.toLatents(images, controller);
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
    const { recording, record, memory, ...given } = stated(options);
    const known = recording ? recordedOptions(recording, prompts, { ...given, record }) : given;
    const settled = settle(known, this.defaults);
    const companion = recording
      ? await playback(recording, this, settled)
      : record && (await recorder(record, this, prompts, settled));
    const open = (network: UNet['forward']) => this.open(prompts, settled, network, companion);
    const network: UNet['forward'] = (...input) => this.unet.forward(...input);
    return memory === undefined
      ? open(network)
      : withinMemory(memory, network, open, ({ run, rows, sampler: { timesteps }, controller }) =>
          memoryNeeds(this, { run, rows, timesteps, tokens: this.tokenizer.maxLength, controller }),
        );
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

  /** {@link run} to its end, and the pictures of it. @throws as {@link run}; Error if latents need a VAE that is not there */
  async generate(prompts: readonly string[], options: GenerateOptions = {}): Promise<Generation> {
    if (this.vae instanceof PixelSpace) this.vae.checkPictures();
    const session = await this.session(prompts, options);
    let latents: tf.Tensor4D | undefined;
    try {
      for await (const step of session.steps()) {
        options.onStep?.(step);
        latents?.dispose();
        latents = step.latents.clone();
      }
      // A sampler has at least one step.
      const images = await this.pictures.decodeFinite(latents!, options.controller);
      return { images, latents: latents!, noise: session.noise.clone(), context: session.context() };
    } catch (error) {
      latents?.dispose();
      throw error;
    } finally {
      await session.end();
    }
  }

  dispose(): void {
    for (const [, network] of byName(this)) network.dispose();
  }

  /** A run as such; recordings and limits are around it. */
  private async open(
    prompts: readonly string[],
    options: SettledOptions,
    network: UNet['forward'],
    companion?: Companion,
  ): Promise<Session> {
    const { controller, omit, signal } = options;
    const guidances = guidancesOf(companion?.guidance ?? options.guidance);
    const noise = companion?.noise?.() ?? startingNoise(options, this.defaultSize, this.vae);
    try {
      const usual = this.sampler(options, noise);
      const sampler = companion?.sampler?.(usual) ?? usual;
      const context = { ...companion?.contexts, ...options.context };
      const contexts = () => this.texts.contexts(prompts, rolesOf(guidances), { ...options, context });
      const decode = (latents: tf.Tensor4D) => this.pictures.decode(latents, controller);
      const run = { prompts, noise, sampler, guidances, contexts, controller, companion, omit, signal };
      return await Session.begin({ ...run, network, decode });
    } catch (error) {
      noise.dispose();
      throw error;
    }
  }

  private sampler({ sampler, seed, steps, eta, karras }: SettledOptions, { shape }: tf.Tensor4D): Sampler {
    if (typeof sampler === 'object') return sampler;
    return createSampler(this.scheduler, { sampler, steps, eta, karras, generator: freshNoise(seed, shape) });
  }
}
