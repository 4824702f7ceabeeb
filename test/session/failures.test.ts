/** Runs that cannot go well: two at once with one controller, and numbers that are not finite. */
import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController } from '../../src/attention/controller';
import { attentionStore } from '../../src/attention/store';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { NotFiniteError } from '../../src/finite';
import type { Network } from '../../src/model/network';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { useBackend } from '../backend';

const PROMPTS = ['a cat riding a bicycle', 'a dog riding a bicycle'];
let pipe: StableDiffusionPipeline;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

describe('one controller in two runs at once', () => {
  const generate = (controller: AttentionController) => pipe.generate(PROMPTS, { steps: 2, controller });
  const blend = () =>
    promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS, blend: [{ source: 'cat', target: 'dog' }] });

  test.each<[string, () => [AttentionController, AttentionController]]>([
    ['a local blend', () => Array(2).fill(blend()) as [AttentionController, AttentionController]],
    ['a store', () => Array(2).fill(attentionStore()) as [AttentionController, AttentionController]],
    [
      'a store, composed anew',
      () => {
        const store = attentionStore();
        return [compose(store), compose(blend(), store)];
      },
    ],
  ])('%s: the second is refused, the first goes on as if alone', async (_, make) => {
    const before = tf.memory().numTensors;
    const [first, second] = make();
    const alone = await generate(make()[0]);
    const [one, two] = await Promise.allSettled([generate(first), generate(second)]);
    expect(two.status === 'rejected' && two.reason.message).toMatch(/still part of another run/);
    const made = (one as PromiseFulfilledResult<typeof alone>).value;
    expect(tf.tidy(() => tf.max(tf.abs(tf.sub(made.latents, alone.latents))).dataSync()[0])).toBe(0);
    tf.dispose([{ ...made }, { ...alone }]);
    // Stores keep their maps until they are told.
    expect(tf.memory().numTensors - before).toBeLessThan(40);
    tf.dispose({ ...(await generate(second)) });
  });

  test('an edit without a state may be in both', async () => {
    const edit = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS });
    for (const made of await Promise.all([generate(edit), generate(edit)])) tf.dispose({ ...made });
  });
});

describe('numbers that are not finite stop the run where they come up', () => {
  /** Runs with one number of one weight replaced. */
  async function withWeight(network: Network, name: string, number: number, use: () => Promise<void>): Promise<void> {
    const parameter = network.parameters.get(name)!;
    const before = Float32Array.from(await parameter.value.data());
    const stored = tf.tidy(() => tf.clone(parameter.value));
    const broken = tf.tidy(() =>
      tf.reshape(tf.tensor1d(Float32Array.from(before, (x, i) => (i === 0 ? number : x))), parameter.value.shape),
    );
    parameter.take(broken);
    try {
      await use();
    } finally {
      parameter.take(stored);
    }
  }
  const refused = async (message: string | RegExp) => {
    const before = tf.memory().numTensors;
    const run = pipe.generate(PROMPTS, { steps: 2, controller: attentionStore() });
    await expect(run).rejects.toThrow(NotFiniteError);
    await expect(pipe.generate(PROMPTS, { steps: 2 })).rejects.toThrow(message);
    expect(tf.memory().numTensors - before).toBeLessThan(40);
  };

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%p in the UNet: the step, and the site', (number) =>
    withWeight(pipe.unet, 'up_blocks.0.resnets.0.conv1.bias', number, () =>
      refused(
        "Step 0 of 2 (timestep 501) produced numbers that are not finite. The network's numbers are not finite from up_blocks.0.resnets.0 on",
      ),
    ),
  );

  test('in the text encoder', () =>
    withWeight(pipe.textEncoder, 'text_model.final_layer_norm.bias', Number.NaN, () =>
      refused('The text encoder produced'),
    ));

  test('in the VAE', () =>
    withWeight(pipe.vae, 'decoder.conv_out.bias', Number.POSITIVE_INFINITY, () =>
      refused('The VAE decoded finite latents to'),
    ));

  test('in a controller', async () => {
    const controller: AttentionController = { wants: () => [], onLatents: (x) => tf.div(x, 0) };
    await expect(pipe.generate(PROMPTS, { steps: 2, controller })).rejects.toThrow(
      "The network's prediction is finite: a guidance, the sampler or a controller produced them.",
    );
  });
});
