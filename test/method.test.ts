/** Whole edits on a small checkpoint against the authors' controllers on diffusers' networks: see test/fixtures/attention.py. */
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/attention/promptToPrompt';
import { openCheckpoint } from '../src/node/checkpoint';
import { StableDiffusionPipeline } from '../src/pipeline';
import type { DenoisingStep } from '../src/sampler/denoise';
import { readCases, Tensors } from './attention/fixture';
import { useBackend } from './backend';

useBackend();

let pipe: StableDiffusionPipeline;
let expected: Tensors;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
  expected = await Tensors.open('runs.safetensors');
});

const runs = readCases().filter(({ run }) => run);

test.each(runs)('$name: final latents within a thousandth of their standard deviation', async ({ name, prompts, kind, ...options }) => {
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, prompts, edit: kind, ...options });
  const before = tf.memory().numTensors;
  const latents = await lastLatents(pipe.run(prompts, { steps: 10, controller }));
  expect(tf.memory().numTensors).toBe(before + 1);
  const wanted = await expected.read(name);
  const difference = tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(latents, wanted))), tf.sqrt(tf.moments(wanted).variance)).dataSync()[0]);
  tf.dispose([latents, wanted]);
  expect(difference).toBeLessThan(1e-3);
}, 600_000);

async function lastLatents(steps: AsyncIterable<DenoisingStep>): Promise<tf.Tensor4D> {
  let latents: tf.Tensor4D | undefined;
  for await (const step of steps) {
    latents?.dispose();
    latents = step.latents.clone();
  }
  return latents!;
}
