/** Whole edits on the embedded checkpoint against the authors' controllers on diffusers' networks: see test/fixtures/attention.py. */
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/attention/promptToPrompt';
import { openCheckpoint } from '../src/node/checkpoint';
import { StableDiffusionPipeline } from '../src/pipeline';
import { readCases, Tensors } from './attention/fixture';
import { useBackend } from './backend';

useBackend();

let pipe: StableDiffusionPipeline;
let expected: Tensors;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('weights/emoji-world'));
  expected = await Tensors.open('runs.safetensors');
});

test.each(readCases())('$name: final latents within a thousandth of their standard deviation', async ({ name, prompts, kind, ...options }) => {
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, prompts, edit: kind, ...options });
  const before = tf.memory().numTensors;
  const { latents } = await last(pipe.run(prompts, { steps: 10, controller }));
  expect(tf.memory().numTensors).toBe(before + 1);
  const wanted = await expected.read(name);
  const differences = tf.tidy(() => {
    const deviation = tf.sqrt(tf.moments(wanted).variance);
    return tf.div(tf.max(tf.abs(tf.sub(latents, wanted)), [1, 2, 3]), deviation).arraySync() as number[];
  });
  tf.dispose([latents, wanted]);
  for (const difference of differences) expect(difference).toBeLessThan(1e-3);
  if (process.env['DIFFS']) console.log(name, differences);
}, 120_000);

/** A copy of the latents of a run's last step. */
async function last(steps: ReturnType<StableDiffusionPipeline['run']>): Promise<{ latents: tf.Tensor4D }> {
  let latents: tf.Tensor4D | undefined;
  for await (const step of steps) {
    latents?.dispose();
    latents = step.latents.clone();
  }
  return { latents: latents! };
}
