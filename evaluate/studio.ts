import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt, type WordPair } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { type Picture, toPictures } from '../src/image/picture';
import { type BackendInfo, chooseBackend } from '../src/node/backend';
import { openCheckpoint } from '../src/node/checkpoint';
import { fileBytes } from '../src/node/fileSource';
import { StableDiffusionPipeline } from '../src/pipeline';
import type { GenerateOptions } from '../src/session/options';
import { SafetensorsFile } from '../src/weights/safetensors';
import { type Control, sharesOf } from './controls';
import { type HeldOut, type PromptSet, readHeldOut } from './heldOut';
import { Judge, type Verdict } from './judge';
import { sideBySide } from './sideBySide';

/** How pictures are drawn and edited. */
export interface Settings {
  readonly steps: number;
  readonly sampler: 'ddim' | 'dpm++';
  readonly guidance: number;
  /** For what share of the run edits take the source's cross-attention, unless they are told otherwise. */
  readonly cross: number;
  /** What part of their strongest look makes a place belong to the words that an edit is kept to. */
  readonly blendThreshold: number;
  /** In place of some of what suits each kind of edit. */
  readonly control?: Partial<Control>;
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

export interface Drawn {
  readonly picture: Picture;
  readonly verdict: Verdict;
  /** Row by row, all channels of one place after the other. */
  readonly latents: Float32Array;
}

/** One edit of a source. */
export interface Edit {
  readonly prompt: string;
  /**
   * For what share of the run it takes the source's cross-attention, unless the control has it otherwise; 0 draws the
   * prompt afresh.
   */
  readonly share: number;
  readonly control: Control;
  /** Words that keep their own meaning, whatever the control says of the context. */
  readonly ownMeaning?: readonly string[];
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
    return pictures.map((picture, i) => ({
      picture,
      verdict: verdicts[i],
      latents: numbers.slice(i * size, (i + 1) * size),
    }));
  }

  /** A source and edits of it. */
  async edit(source: string, edits: readonly Edit[], seed: number): Promise<{ source: Drawn; edited: Drawn[] }> {
    const [{ tokenizer }, { blendThreshold }] = [this.pipeline, this.settings];
    const controller = sideBySide(
      edits.map(({ prompt, share, control, ownMeaning = [], weights, blend }) =>
        share === 0
          ? undefined
          : promptToPrompt({
              tokenizer,
              prompts: [source, prompt],
              ...sharesOf(share, control),
              contextWords: Object.fromEntries(ownMeaning.map((word) => [word, 0])),
              weights,
              blend,
              blendThreshold,
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
