import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import type { PromptToPromptOptions, WordPair } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { fileBytes } from '../../src/node/fileSource';
import { StableDiffusionPipeline } from '../../src/pipeline';
import type { Predict } from '../../src/sampler/denoise';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { openSmall } from '../parity/edits';

/** The results of the published inversions on the small checkpoint: see test/fixtures/inversion.py. */
const FOLDER = 'test/fixtures/inversion';

/** An edit of an inverted picture: the options of `promptToPrompt`, and the method's. */
export interface EditCase extends Omit<PromptToPromptOptions, 'tokenizer' | 'prompts' | 'edit'> {
  readonly method: string;
  readonly inversion?: string;
  readonly noise?: string;
  readonly source: string;
  readonly targets: readonly string[];
  readonly kind: 'replace' | 'refine' | null;
  readonly guidance: number;
  readonly source_guidance?: number;
  readonly quantile?: number;
  readonly guided?: boolean;
  readonly epsilon?: number;
  readonly skip?: number;
  readonly implicit?: boolean;
}

interface Cases {
  readonly steps: number;
  readonly schedulers: Readonly<Record<string, object>>;
  readonly inversions: Readonly<Record<string, { picture: string; prompt: string; scheduler: string }>>;
  readonly noise: Readonly<Record<string, { picture: string; prompt: string; scheduler: string; guidance: number }>>;
  readonly edits: Readonly<Record<string, EditCase>>;
  readonly proximal: Readonly<Record<string, { proximal: 'l0' | 'l1'; quantile: number }>>;
  readonly witnesses: Readonly<
    Record<string, { class_name: string; prompt: string; picture: string; config: Record<string, unknown> }>
  >;
}

export const cases = JSON.parse(readFileSync(`${FOLDER}/cases.json`, 'utf8')) as Cases;

/** The words of an edit's local blend. */
export function blendOf({ blend }: EditCase): WordPair[] | undefined {
  return (blend as unknown as [string, string][] | undefined)?.map(([source, target]) => ({ source, target }));
}

/** A tensor of the fixture; the caller must dispose it. */
export async function golden<T extends tf.Tensor = tf.Tensor4D>(name: string): Promise<T> {
  const file = await SafetensorsFile.open(await fileBytes(`${FOLDER}/tensors.safetensors`));
  return tf.tensor(await file.read(name), [...file.tensors.get(name)!.shape]) as T;
}

/** The small checkpoint with a scheduler of the fixture, or another config. */
export async function openWith(scheduler: string | object): Promise<StableDiffusionPipeline> {
  const { tokenizer, textEncoder, unet, vae } = await openSmall();
  const json = typeof scheduler === 'string' ? cases.schedulers[scheduler] : scheduler;
  return new StableDiffusionPipeline({ tokenizer, textEncoder, unet, vae, scheduler: { file: 'scheduler', json } });
}

/** The network conditioned on one prompt, for one row. */
export function predictorOf(pipe: StableDiffusionPipeline, prompt: string): { predict: Predict; dispose(): void } {
  const context = pipe.encode([prompt]);
  return {
    predict: (latents, timestep) => pipe.unet.forward(latents, timestep, context),
    dispose: () => context.dispose(),
  };
}
