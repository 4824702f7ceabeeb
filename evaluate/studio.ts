import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { BackendInfo } from '../src/backend/backendInfo';
import type { Defaults } from '../src/defaults';
import { promptToPrompt, type WordPair } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { BLEND_THRESHOLD, forEachKind, type Shares, type SharesByKind } from '../src/edits/prompt-to-prompt/shares';
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

/** How pictures are drawn and edited. */
export interface Settings {
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
  /** The same, where a picture is inverted. */
  readonly pictureGuidance: number;
  /** What each kind of edit takes of its source. */
  readonly shares: SharesByKind;
  /** What part of their strongest look makes a place belong to the words that an edit is kept to. */
  readonly blendThreshold: number;
}

/** What was asked for in place of a model's defaults. */
export interface Given extends Partial<Shares> {
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
  readonly blendThreshold?: number;
}

/** A model's defaults, but for what was asked for; shares are asked for of all kinds of edits. */
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
    pictureGuidance: given.guidance ?? defaults.pictures.guidance,
    blendThreshold: given.blendThreshold ?? BLEND_THRESHOLD,
    shares: { ...defaults.shares, ...forEachKind((kind) => of(defaults.shares[kind])) },
  };
}

/** Where everything is. */
export interface Places {
  /** As for `openCheckpoint`. */
  readonly model: string;
  /** The judge's safetensors file. */
  readonly judge: string;
  /** The project's folder `evaluate`. */
  readonly folder: string;
  readonly prompts: PromptSet;
}

/** A picture, and what the judge says of it. */
export interface Seen {
  readonly picture: Picture;
  readonly verdict: Verdict;
}

export interface Drawn extends Seen {
  /** Row by row, all channels of one place after the other. */
  readonly latents: Float32Array;
  /** How many places the latents have. */
  readonly places: number;
}

/** One edit of a source. */
export interface Edit {
  readonly prompt: string;
  /** Drawn from the same noise instead, with nothing of the source. */
  readonly afresh?: boolean;
  /** In place of some of the shares that its kind of edit takes. */
  readonly shares?: Partial<Shares>;
  readonly weights?: Readonly<Record<string, number>>;
  readonly blend?: readonly WordPair[];
}

/** A model that draws, and a judge that looks. */
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

  /** A picture a prompt, all from one noise, each looked at. */
  async draw(prompts: readonly string[], options: Pick<GenerateOptions, 'seed' | 'controller'>): Promise<Drawn[]> {
    const { steps, sampler, guidance } = this.settings;
    const { images, latents, noise, context } = await this.pipeline.generate(prompts, {
      steps,
      sampler,
      guidance,
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

  /** A source and edits of it. */
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
