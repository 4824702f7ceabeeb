import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { ConfigFile } from '../../config';
import { type PromptToPromptOptions, promptToPrompt } from '../../edits/prompt-to-prompt/promptToPrompt';
import { fromPictures, type Picture, toPictures } from '../../image/picture';
import { fitPicture, place } from '../../image/placement';
import { resample } from '../../image/resample';
import type { InversionName } from '../../inversion/names';
import { type Inversion, type InvertOptions, invert } from '../../invert';
import type { StableDiffusionPipeline } from '../../pipeline';
import type { Checkpoint, PartName } from '../../weights/checkpoint';
import { readPicture } from '../readPicture';
import type { BenchEdit } from './bench';

/** Makes the edits for one line of the table. */
export interface Editor {
  readonly name: string;
  edit(edit: BenchEdit, source: Picture, signal?: AbortSignal): Promise<Picture>;
}

/** The settings that the benchmark's table was made with: those of Prompt-to-Prompt, and of methods that differ. */
const PUBLISHED = { cross: 0.4, self: 0.6, selfSize: 32, edit: 'refine', guidance: 7.5, wordWeight: 2 } as const;
const OF_METHOD: Partial<Record<InversionName, Pick<InvertOptions, 'guidance' | 'sourceGuidance' | 'skip'>>> = {
  'edit-friendly': { sourceGuidance: 1, skip: 12 / 50 },
  'h-edit': { guidance: 10, sourceGuidance: 9 },
};

/** The checkpoint with timesteps starting at 0, as for the benchmark's table; Stable Diffusion's own start at 1. */
export function withPublishedSteps(checkpoint: Checkpoint): Checkpoint {
  const config = async (part: PartName): Promise<ConfigFile> => {
    const file = await checkpoint.config(part);
    return part === 'scheduler' ? { ...file, json: { ...(file.json as object), steps_offset: 0 } } : file;
  };
  return Object.assign(Object.create(checkpoint) as Checkpoint, { config });
}

/** Takes pictures made before, in the benchmark's own layout: the last square of each is the edit. */
export function madeBefore(name: string, folder: string): Editor {
  return {
    name,
    async edit({ id, path }, source) {
      const file = join(folder, path);
      if (!existsSync(file)) throw new Error(`${name} has no picture of ${id}: ${file} is missing.`);
      const { picture } = await readPicture(file);
      return lastSquare(picture, source.height);
    },
  };
}

/** The benchmark's script writes several pictures side by side; the one at the bottom right is the edit. */
function lastSquare(picture: Picture, side: number): Picture {
  if (picture.width === picture.height) return picture;
  const box = { x: picture.width - side, y: picture.height - side, width: side, height: side };
  return resample(picture, box, { width: side, height: side });
}

/** Prompt-to-Prompt on a picture inverted by this method, with the published settings. */
export function editorBy(
  method: InversionName,
  pipe: StableDiffusionPipeline,
  steps: number,
  onWarning?: (message: string) => void,
): Editor {
  return {
    name: method,
    async edit(edit, source, signal) {
      const picture = latentsOf(pipe, source);
      const { guidance } = PUBLISHED;
      let inversion: Inversion | undefined;
      try {
        const settings = { sampler: 'ddim', steps, guidance, negative: '', ...OF_METHOD[method] } as const;
        inversion = await invert(pipe, picture, { prompt: edit.source, method, ...settings, signal, onWarning });
        const options = { ...inversion.options(methodOf(edit, pipe)), signal, onWarning };
        const { images, latents, noise, context } = await pipe.generate([edit.source, edit.target], options);
        const [, edited] = await toPictures(images);
        tf.dispose([images, latents, noise, context]);
        return edited;
      } finally {
        inversion?.dispose();
        picture.dispose();
      }
    },
  };
}

function latentsOf(pipe: StableDiffusionPipeline, picture: Picture): tf.Tensor4D {
  return tf.tidy(() => pipe.toLatents(fromPictures([fitPicture(picture, place(picture, pipe.defaultSize))])));
}

/** The published edit; if the prompts lack its words, these are ignored, as in the published code. */
function methodOf({ source, target, words }: BenchEdit, { tokenizer }: StableDiffusionPipeline) {
  const { wordWeight, guidance: _, ...rest } = PUBLISHED;
  const options: PromptToPromptOptions = { tokenizer, prompts: [source, target], ...rest };
  if (!words) return promptToPrompt(options);
  const [before, after] = words;
  const given = source.split(' ').includes(before) && target.split(' ').includes(after);
  return promptToPrompt(
    given ? { ...options, blend: [{ source: before, target: after }], weights: { [after]: wordWeight } } : options,
  );
}
