import * as tf from '@tensorflow/tfjs';
import { sideBySide } from '../../evaluate/sideBySide';
import type { AttentionController } from '../../src/attention/controller';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { useBackend } from '../backend';

useBackend();

let pipeline: StableDiffusionPipeline;
beforeAll(async () => {
  pipeline = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

const SOURCE = 'a cat on a beach';

/** The latents of some prompts, row by row. */
async function latentsOf(prompts: readonly string[], controller?: AttentionController): Promise<Float32Array[]> {
  const { images, latents, noise, context } = await pipeline.generate(prompts, { steps: 3, guidance: 5, controller });
  const numbers = await latents.data<'float32'>();
  tf.dispose([images, latents, noise, context]);
  const size = numbers.length / prompts.length;
  return prompts.map((_, i) => numbers.slice(i * size, (i + 1) * size));
}

function farthest(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i])));
}

test('edits side by side are what each is alone, and pictures without a controller are drawn afresh', async () => {
  const { tokenizer } = pipeline;
  const swap = { tokenizer, prompts: [SOURCE, 'a dog on a beach'] };
  const edits = [
    promptToPrompt({ ...swap, cross: 0.8, self: 0.4 }),
    promptToPrompt({ ...swap, cross: 1, self: 0, blend: [{ source: 'cat', target: 'dog' }] }),
    promptToPrompt({ tokenizer, prompts: [SOURCE, `${SOURCE} at night`], weights: { night: 2 } }),
  ];
  const targets = edits.map(({ prompts }) => prompts[1].text);
  const before = tf.memory().numTensors;
  const [source, first, second, third, plain] = await latentsOf(
    [SOURCE, ...targets, targets[0]],
    sideBySide([...edits, undefined]),
  );
  const alone = [];
  for (const [i, edit] of edits.entries()) alone.push((await latentsOf([SOURCE, targets[i]], edit))[1]);
  const [sourceAlone, plainAlone] = await latentsOf([SOURCE, targets[0]]);
  expect(tf.memory().numTensors).toBe(before);

  [
    [source, sourceAlone],
    [first, alone[0]],
    [second, alone[1]],
    [third, alone[2]],
    [plain, plainAlone],
  ].forEach(([together, apart], i) => {
    expect({ i, near: farthest(together, apart) < 1e-3 }).toEqual({ i, near: true });
  });
  expect(farthest(first, second)).toBeGreaterThan(0.1);
  expect(farthest(first, plain)).toBeGreaterThan(0.1);
});
