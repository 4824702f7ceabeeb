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
import { createSampler, originalAt } from './sampler/createSampler';
import type { DenoisingStep } from './sampler/denoise';
import type { Sampler } from './sampler/sampler';
import type { Companion } from './session/companion';
import { memoryNeeds, withinMemory } from './session/memory';
import { freshNoise, startingNoise } from './session/noise';
import { type SettledOptions, settle, stated } from './session/options';
import { Session, type SessionParts } from './session/session';
import { PictureSide } from './sides/pictureSide';
import { TextSide, wordless } from './sides/textSide';
import { expectTexts } from './text/prompts';
import { CLIPTokenizer, type TokenizedPrompt, type Tokenizer } from './text/tokenizer';
import type { Checkpoint } from './weights/checkpoint';

/** The parts of a pipeline, all from one checkpoint. */
export interface PipelineParts {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  /** Leave it out for a UNet that works on pixels, or if only latents are needed. */
  readonly vae?: VAE;
  readonly scheduler: ConfigFile;
  /** The checkpoint's defaults. Default: the authors', {@link AUTHORS_DEFAULTS}. */
  readonly defaults?: Defaults;
  /** See {@link StableDiffusionPipeline.notes}. */
  readonly notes?: readonly string[];
}

/** Options of encoding and decoding outside a run. */
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
  /** Default guidance, steps and sampler of a run, and how much each kind of edit takes from the source. */
  readonly defaults: Defaults;
  /** Notes for the user: what was assumed about the checkpoint where it does not say, and what is odd about it. */
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
      if (a !== b) throw new Error(`${what} differ: ${a} and ${b}. These networks are not from one checkpoint.`);
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
   * Loads a whole checkpoint, one tensor at a time. For the wasm backend, call `prepareWasm()` first, unless this
   * package started the backend: a pipeline does not replace tfjs's kernels itself.
   *
   * @param onProgress called with how many of the networks' numbers are loaded, and their total
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

  /** The number of parameters in all networks. */
  get size(): number {
    return byName(this).reduce((sum, [, { size }]) => sum + size, 0);
  }

  /** The memory that the networks' parameters take, in bytes. */
  get bytes(): number {
    return byName(this).reduce((sum, [, { bytes }]) => sum + bytes, 0);
  }

  /** Every attention layer of the UNet, in order of evaluation; `textEncoder` and `vae` have their own `sites`. */
  get sites(): readonly AttentionSite[] {
    return this.unet.sites;
  }

  /** Every place in the UNet where a controller can get features outside attention, in order of evaluation. */
  get featureSites(): readonly FeatureSite[] {
    return this.unet.featureSites;
  }

  /** The size of pictures that the checkpoint was trained for, in pixels. */
  get defaultSize(): Grid {
    const { height, width } = defaultLatents(this.unet.config);
    return { height: height * this.vae.pixelsPerLatent, width: width * this.vae.pixelsPerLatent };
  }

  /**
   * @param prompts texts, or tokenized prompts
   * @param options the controller is called at the text encoder's attention, if `text` is among its kinds
   * @returns [prompts, tokens, features]. The caller disposes of it.
   */
  encode(prompts: readonly (string | TokenizedPrompt)[], { controller }: ControllerOptions = {}): tf.Tensor3D {
    return this.texts.encode(prompts, controller);
  }

  /**
   * @param latents [rows, height, width, channels], as the UNet uses them
   * @param options the controller is called at the decoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, 3], -1 to 1
   */
  decode(latents: tf.Tensor4D, { controller }: ControllerOptions = {}): tf.Tensor4D {
    return this.pictures.decode(latents, controller);
  }

  /**
   * Encodes pictures to latents as the UNet uses them: the mean of the encoder's distribution for each.
   *
   * @param images [rows, height, width, 3], -1 to 1; sides that are multiples of {@link VAE.pixelsPerLatent}
   * @param options the controller is called at the encoder's attention, if `vae` is among its kinds
   * @returns [rows, height, width, channels] at the latents' size. The caller disposes of it.
   */
  toLatents(images: tf.Tensor4D, { controller }: ControllerOptions = {}): tf.Tensor4D {
    return this.pictures.toLatents(images, controller);
  }

  /**
   * Sets up a run for your own loop; `run` and `generate` are the usual one. The first prompt is the source, and all
   * prompts share its noise.
   *
   * @throws TypeError if the prompts are not an array of texts; RangeError for options out of range; MemoryError if the
   *   run does not fit into `memory`; RecordingError if the recording is of another run
   */
  async session(prompts: readonly string[], options: RunOptions = {}): Promise<Session> {
    expectTexts(prompts);
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
   * Takes noise to latents for all prompts at once; the first is the source, and all share its noise. Leaving the loop
   * ends the run; however it ends, its memory is freed.
   *
   * @returns the steps; for who owns their tensors, see {@link DenoisingStep}
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

  /**
   * Does a {@link run} to its end and decodes the pictures.
   *
   * @throws as {@link run}; Error if the latents need a VAE and there is none
   */
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

  /** Opens the session itself; recordings and memory limits are handled by the caller. */
  private async open(
    prompts: readonly string[],
    options: SettledOptions,
    network: UNet['forward'],
    companion?: Companion,
  ): Promise<Session> {
    const { controller, omit, signal } = options;
    const guidances = guidancesOf(companion?.guidance ?? options.guidance, options.projectAbove);
    const noise = companion?.noise?.() ?? startingNoise(options, this.defaultSize, this.vae);
    try {
      const usual = this.sampler(options, noise);
      const sampler = companion?.sampler?.(usual) ?? usual;
      const context = { ...companion?.contexts, ...options.context };
      const contexts = () => this.texts.contexts(prompts, rolesOf(guidances), { ...options, context });
      const decode = (latents: tf.Tensor4D) => this.pictures.decode(latents, controller);
      const original: SessionParts['original'] = (...prediction) => originalAt(this.scheduler, ...prediction);
      const run = { prompts, noise, sampler, original, guidances, contexts, controller, companion, omit, signal };
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
