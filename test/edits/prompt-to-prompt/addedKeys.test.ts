/** The whole method beside a controller that adds keys after the prompt's tokens, as an image prompt does. */
import * as tf from '@tensorflow/tfjs';
import { compose } from '../../../src/attention/compose';
import type { AttentionController } from '../../../src/attention/controller';
import { promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import { openCheckpoint } from '../../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../../src/pipeline';
import { useBackend } from '../../backend';
import { deviation } from '../../parity/comparison';

const PROMPTS = ['a cat riding a bicycle', 'a dog riding a bicycle'];
const ADDED = 4;
let pipe: StableDiffusionPipeline;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

/** Adds the first keys and values once more, and lowers the logits of these by so much. */
function addingKeys(lowered: number): AttentionController {
  const more = (x: tf.Tensor4D): tf.Tensor4D => tf.concat([x, tf.slice(x, 0, [-1, -1, ADDED, -1])], 2);
  return {
    wants: ({ site }) => (site.kind === 'cross' ? ['qkv', 'logits'] : []),
    onQkv: ({ q, k, v }) => ({ q, k: more(k), v: more(v) }),
    onLogits: (logits, { keys }) => tf.sub(logits, tf.concat([tf.zeros([keys - ADDED]), tf.fill([ADDED], lowered)])),
  };
}

test.each<[string, number, boolean]>([
  ['that nothing looks at change nothing', 1e9, true],
  ['that are looked at have their part in the edit', 0, false],
])('added keys %s', async (_, lowered, same) => {
  const before = tf.memory().numTensors;
  const latentsOf = async (...first: AttentionController[]): Promise<tf.Tensor4D> => {
    const edit = promptToPrompt({
      tokenizer: pipe.tokenizer,
      prompts: PROMPTS,
      context: 1,
      weights: { dog: 2 },
      blend: [{ source: 'cat', target: 'dog' }],
    });
    const options = { steps: 3, controller: compose(...first, edit) };
    const { latents, images, noise, context } = await pipe.generate(PROMPTS, options);
    tf.dispose([images, noise, context]);
    return latents;
  };
  const both = [await latentsOf(), await latentsOf(addingKeys(lowered))];
  const found = await deviation(both[0], both[1]);
  tf.dispose(both);
  if (same) expect(found).toBeLessThan(1e-4);
  else expect(found).toBeGreaterThan(1e-3);
  expect(tf.memory().numTensors).toBe(before);
});
