import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { BackendInfo } from '../src/backend/backendInfo';
import type { Defaults } from '../src/defaults';
import { promptToPrompt, type WordPair } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { BLEND_THRESHOLD, mapEditKinds, type Shares, type SharesByKind } from '../src/edits/prompt-to-prompt/shares';
import { type Picture, toPictures } from '../src/image/picture';
import { chooseBackend } from '../src/node/backend';
import { openCheckpoint } from '../src/node/checkpoint';
import { fileBytes } from '../src/node/fileSource';
import type { GenerateOptions } from '../src/options';
import { StableDiffusionPipeline } from '../src/pipeline';
import type { SamplerName } from '../src/sampler/schedulers';
import { SafetensorsFile } from '../src/weights/safetensors';
import { type HeldOut, type PromptSet, readHeldOut } from './heldOut';
import { Judge, type Verdict } from './judge';
import { sideBySide } from './sideBySide';

/** The settings for generating and editing pictures. */
export interface Settings {
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
  readonly projectAbove: number;
  /** The guidance for inverted pictures. */
  readonly pictureGuidance: number;
  /** The shares of each kind of edit. */
  readonly shares: SharesByKind;
  /** The threshold of local blend, as a share of a map's maximum. */
  readonly blendThreshold: number;
}

/** Settings that override a model's defaults. */
export interface Given extends Partial<Shares> {
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
  readonly projectAbove?: number;
  readonly blendThreshold?: number;
}

/** A model's defaults with overrides; given shares apply to all kinds of edits. */
export function settingsOf(defaults: Defaults, given: Given = {}): Settings {
  const of = (usual: Shares): Shares => ({
    cross: given.cross ?? usual.cross,
    self: given.self ?? usual.self,
    context: given.context ?? usual.context,
  });
  return {
    steps: given.steps ?? defaults.steps,
    sampler: given.sampler ?? defaults.sampler,
    guidance: given.guidance ?? defaults.guidance,
    projectAbove: given.projectAbove ?? defaults.projectAbove,
    pictureGuidance: given.guidance ?? defaults.pictures.guidance,
    blendThreshold: given.blendThreshold ?? BLEND_THRESHOLD,
    shares: { ...defaults.shares, ...mapEditKinds((kind) => of(defaults.shares[kind])) },
  };
}

/** The paths of everything. */
export interface Places {
  /** As for `openCheckpoint`. */
  readonly model: string;
  /** The judge's safetensors file. */
  readonly judge: string;
  /** The project's folder `evaluate`. */
  readonly folder: string;
  readonly prompts: PromptSet;
}

/** A picture and the judge's verdict. */
export interface Seen {
  readonly picture: Picture;
  readonly verdict: Verdict;
}

export interface Drawn extends Seen {
  /** [height, width, channels], flattened. */
  readonly latents: Float32Array;
  /** The latents' height times width. */
  readonly places: number;
}

/** One edit of a source. */
export interface Edit {
  readonly prompt: string;
  /** Generated from the same noise instead, without injection. */
  readonly afresh?: boolean;
  /** Override the shares of its kind of edit. */
  readonly shares?: Partial<Shares>;
  readonly weights?: Readonly<Record<string, number>>;
  readonly blend?: readonly WordPair[];
}

/** A model and a judge for its pictures. */
export class Studio {
  private constructor(
    readonly pipeline: StableDiffusionPipeline,
    readonly judge: Judge,
    readonly heldOut: HeldOut,
    readonly folder: string,
    readonly settings: Settings,
    readonly backend: BackendInfo,
  ) {}

  static async open(
    { model, judge, folder, prompts }: Places,
    settings: Settings,
    backend: { name: string; threads?: number },
  ): Promise<Studio> {
    const started = await chooseBackend(backend.name, { threads: backend.threads });
    const heldOut = readHeldOut(folder, prompts);
    const pipeline = await StableDiffusionPipeline.load(await openCheckpoint(model));
    return new Studio(
      pipeline,
      await Judge.load(await SafetensorsFile.open(await fileBytes(judge)), heldOut.vocabulary),
      heldOut,
      folder,
      settings,
      started,
    );
  }

  /** Generates and judges one picture per prompt, all from the same noise. */
  async draw(prompts: readonly string[], options: Pick<GenerateOptions, 'seed' | 'controller'>): Promise<Drawn[]> {
    const { steps, sampler, guidance, projectAbove } = this.settings;
    const { images, latents, noise, context } = await this.pipeline.generate(prompts, {
      steps,
      sampler,
      guidance,
      projectAbove,
      ...options,
    });
    const [pictures, verdicts, numbers] = [
      await toPictures(images),
      await this.judge.look(images),
      await latents.data<'float32'>(),
    ];
    tf.dispose([images, latents, noise, context]);
    const size = numbers.length / prompts.length;
    const places = latents.shape[1] * latents.shape[2];
    return pictures.map((picture, i) => ({
      picture,
      verdict: verdicts[i],
      latents: numbers.slice(i * size, (i + 1) * size),
      places,
    }));
  }

  /** Generates a source and edits of it. */
  async edit(source: string, edits: readonly Edit[], seed: number): Promise<{ source: Drawn; edited: Drawn[] }> {
    const [{ tokenizer }, given] = [this.pipeline, this.settings];
    const controller = sideBySide(
      edits.map(({ prompt, afresh, shares, weights, blend }) =>
        afresh
          ? undefined
          : promptToPrompt({
              tokenizer,
              prompts: [source, prompt],
              shares: given.shares,
              ...shares,
              weights,
              blend,
              blendThreshold: given.blendThreshold,
            }),
      ),
    );
    const [first, ...edited] = await this.draw([source, ...edits.map(({ prompt }) => prompt)], { seed, controller });
    return { source: first, edited };
  }

  dispose(): void {
    this.pipeline.dispose();
    this.judge.dispose();
  }
}

/** @param root the project's folder */
export function judgeOf(model: string, root: string): string {
  return join(model === 'emoji-world' ? join(root, 'weights', model) : model, 'judge', 'model.safetensors');
}
