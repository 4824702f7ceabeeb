import type * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import type { DenoisingStep } from '../../src/sampler/denoise';
import { readCases, Tensors } from '../attention/fixture';
import { type Comparison, largestOf } from './comparison';

/**
 * The final latents of whole edits on a small checkpoint, compared with the authors' controllers on diffusers'
 * networks: see test/fixtures/attention.py.
 */
export const edits: readonly Comparison[] = readCases()
  .filter(({ run }) => run)
  .map(({ name, prompts, kind, ...options }) => ({
    part: 'whole edits',
    name,
    most: 1e-3,
    async largest() {
      const pipe = await openSmall();
      const controller = promptToPrompt({
        tokenizer: pipe.tokenizer,
        prompts,
        edit: kind,
        alignment: 'authors',
        ...options,
      });
      const latents = await lastLatents(pipe.run(prompts, { steps: 10, controller, onWarning: () => undefined }));
      pipe.dispose();
      return largestOf([latents, await (await Tensors.open('runs.safetensors')).read(name)]);
    },
  }));

export async function openSmall(): Promise<StableDiffusionPipeline> {
  return StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
}

export async function lastLatents(steps: AsyncIterable<DenoisingStep>): Promise<tf.Tensor4D> {
  let latents: tf.Tensor4D | undefined;
  for await (const step of steps) {
    latents?.dispose();
    latents = step.latents.clone();
  }
  return latents!;
}
