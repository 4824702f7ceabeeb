import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController } from '../src/attention/controller';
import { AUTHORS_DEFAULTS } from '../src/defaults';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { parseUNetConfig } from '../src/model/config';
import { UNet2DConditionModel } from '../src/model/unet';
import { openCheckpoint } from '../src/node/checkpoint';
import { StableDiffusionPipeline } from '../src/pipeline';
import { SafetensorsFile } from '../src/weights/safetensors';
import { writeSafetensors } from '../src/weights/safetensorsWriter';
import { bytesOf } from '../src/weights/source';
import { useBackend } from './backend';
import { lastLatents } from './parity/edits';

const prompts = ['a cat riding a bicycle', 'a cat riding a car'];
let pipe: StableDiffusionPipeline;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

const largestDifference = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]);

describe('without a VAE', () => {
  const load = async (unet: object, weights: (name: string, shape: readonly number[]) => number[]) => {
    const checkpoint = await openCheckpoint('test/fixtures/checkpoint');
    const json = { ...((await checkpoint.config('unet')).json as object), ...unet };
    const { parameters } = new UNet2DConditionModel(parseUNetConfig(json));
    const tensors = [...parameters.values()].map(({ name, shape }) => ({
      name,
      shape,
      data: Float32Array.from(weights(name, shape)),
    }));
    const file = await SafetensorsFile.open(bytesOf(await writeSafetensors(tensors), 'unet.safetensors'));
    return StableDiffusionPipeline.load({
      ...checkpoint,
      networks: ['text_encoder', 'unet'],
      config: async (part) => (part === 'unet' ? { file: 'unet/config.json', json } : checkpoint.config(part)),
      weights: async (network) => (network === 'unet' ? file : checkpoint.weights(network)),
    });
  };
  const small = (name: string, shape: readonly number[]): number[] =>
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
      name.includes('norm') && name.endsWith('weight') ? 1 : Math.sin(i) / 10,
    );

  test('a UNet that works on pixels makes pictures, and takes them as they are', async () => {
    const pixels = await load({ in_channels: 3, out_channels: 3, sample_size: 16 }, small);
    const before = tf.memory().numTensors;
    expect(pixels.defaultSize).toEqual({ height: 16, width: 16 });
    const { images, latents, ...rest } = await pixels.generate(['a cat'], { steps: 2 });
    const clipped = tf.clipByValue(latents, -1, 1);
    expect(largestDifference(images, clipped)).toBe(0);
    const back = pixels.toLatents(images);
    expect(largestDifference(images, back)).toBe(0);
    tf.dispose([images, latents, clipped, back, { ...rest }]);
    expect(tf.memory().numTensors).toBe(before);
    pixels.dispose();
  });

  test('of a UNet that works on latents there are latents, and no pictures', async () => {
    const latent = await load({}, small);
    const before = tf.memory().numTensors;
    const made = await lastLatents(latent.run(['a cat'], { steps: 1 }));
    expect(made.shape).toEqual([1, 16, 16, 4]);
    const onStep = jest.fn();
    await expect(latent.generate(['a cat'], { steps: 1, onStep })).rejects.toThrow(
      'There is no VAE, which latents of 4 channels need to become pictures',
    );
    expect(onStep).not.toHaveBeenCalled();
    expect(() => latent.decode(made)).toThrow('There is no VAE');
    made.dispose();
    expect(tf.memory().numTensors).toBe(before);
    latent.dispose();
  });
});

test('a run leaves only what it returns', async () => {
  const before = tf.memory().numTensors;
  const made = await pipe.generate(prompts, {
    steps: 2,
    controller: promptToPrompt({ tokenizer: pipe.tokenizer, prompts }),
  });
  expect(made.images.shape).toEqual([2, 64, 64, 3]);
  expect(made.latents.shape).toEqual([2, 16, 16, 4]);
  expect(made.noise.shape).toEqual([1, 16, 16, 4]);
  expect(made.context.shape).toEqual([4, pipe.tokenizer.maxLength, pipe.unet.config.cross_attention_dim]);
  expect(tf.memory().numTensors).toBe(before + 4);
  tf.dispose({ ...made });
});

test.each([
  ['a text', 'a cat', `Expected the prompts as an array of texts, such as ['a cat', 'a dog'], not the text "a cat".`],
  ['nothing', undefined, 'not undefined'],
  ['other things among them', ['a cat', null], 'Expected a text as prompt 2 of 2, not null'],
])('prompts that are no array of texts are refused: %s', async (_, wrong, message) => {
  const asked = pipe.generate(wrong as never);
  await expect(asked).rejects.toThrow(TypeError);
  await expect(asked).rejects.toThrow(message);
});

test("a run takes what it does not say from the pipeline's defaults", async () => {
  const { tokenizer, textEncoder, unet, vae, scheduler } = pipe;
  const defaults = { ...AUTHORS_DEFAULTS, guidance: 1, steps: 3, sampler: 'dpm++' } as const;
  const own = new StableDiffusionPipeline({ tokenizer, textEncoder, unet, vae, scheduler, defaults });
  const explicit = await lastLatents(pipe.run(prompts, { guidance: 1, steps: 3, sampler: 'dpm++' }));
  const [unsaid, other] = [await lastLatents(own.run(prompts)), await lastLatents(own.run(prompts, { guidance: 2 }))];
  expect(largestDifference(unsaid, explicit)).toBe(0);
  expect(largestDifference(other, explicit)).toBeGreaterThan(0.1);
  tf.dispose([explicit, unsaid, other]);
});

test('syntax of other programs in a prompt is pointed out, as are words that no prompt can have', async () => {
  const warnings: string[] = [];
  const options = { steps: 1, guidance: 1, onWarning: (message: string) => warnings.push(message) };
  tf.dispose([await lastLatents(pipe.run(['a (cat:1.3) on a beach'], options))]);
  expect(warnings).toEqual([
    expect.stringMatching(/^"\(cat:1\.3\)" in the prompt is taken literally.*--weight WORD=F/),
  ]);
  expect(pipe.notes).toEqual([]);

  const checkpoint = await openCheckpoint('test/fixtures/checkpoint');
  const { vocab, ...files } = await checkpoint.tokenizer();
  const last = Object.entries(vocab!).find(([, id]) => id === 666)![0];
  const { [last]: _, ...fewer } = vocab!;
  const without = {
    ...checkpoint,
    tokenizer: async () => ({ ...files, vocab: { ...fewer, '<|startoftext|>': 665, '<|endoftext|>': 666 } }),
  };
  const loaded = await StableDiffusionPipeline.load(without);
  expect(loaded.notes).toEqual([
    expect.stringMatching(/has 669 tokens and the tokenizer 667: no prompt can use the other 2.*added_tokens\.json/),
  ]);
  loaded.dispose();
});

test('a run that is left, stopped or broken leaves nothing, and tells its controller that it is over', async () => {
  const before = tf.memory().numTensors;
  const ended: string[] = [];
  const controller = (name: string, onProbs: AttentionController['onProbs']): AttentionController => ({
    wants: () => ['probs'],
    onProbs,
    end: () => ended.push(name),
  });

  for await (const { step } of pipe.run(prompts, { steps: 5, controller: controller('left', (probs) => probs) }))
    if (step === 0) break;

  const stop = new AbortController();
  const stopped = pipe.generate(prompts, {
    steps: 5,
    signal: stop.signal,
    onStep: () => stop.abort(new Error('enough')),
    controller: controller('stopped', (probs) => probs),
  });
  await expect(stopped).rejects.toThrow('enough');

  const broken = pipe.generate(prompts, {
    steps: 5,
    controller: controller('broken', () => {
      throw new Error('a bug in a controller');
    }),
  });
  await expect(broken).rejects.toThrow('a bug in a controller');

  expect(ended).toEqual(['left', 'stopped', 'broken']);
  expect(tf.memory().numTensors).toBe(before);
});

test('a controller is told where it is asked: every site, the grid, and what the rows are', async () => {
  const calls: AttentionCall[] = [];
  const spy: AttentionController = {
    wants: (call) => {
      calls.push(call);
      return [];
    },
  };
  const { images, latents, noise, context } = await pipe.generate(prompts, {
    steps: 2,
    height: 48,
    width: 80,
    controller: spy,
  });
  expect(images.shape).toEqual([2, 48, 80, 3]);
  tf.dispose([images, latents, noise, context]);

  expect(calls.map(({ site }) => site.path)).toEqual([...pipe.sites, ...pipe.sites].map(({ path }) => path));
  expect(calls[0].latents).toEqual({ height: 12, width: 20 });
  expect(calls[0].grid).toEqual({ height: 12, width: 20 });
  expect(calls[0].rows).toEqual([
    { prompt: 0, role: 'unconditional' },
    { prompt: 1, role: 'unconditional' },
    { prompt: 0, role: 'conditional' },
    { prompt: 1, role: 'conditional' },
  ]);
});

test('at guidance 1 there are no unconditional rows, and the negative prompt has no part', async () => {
  const rows: number[] = [];
  const spy: AttentionController = {
    wants: (call) => {
      rows.push(call.rows.length);
      return [];
    },
  };
  const plain = await pipe.generate(['a cat'], { steps: 2, guidance: 1, controller: spy });
  const negative = await pipe.generate(['a cat'], { steps: 2, guidance: 1, negative: 'a dog' });
  expect(new Set(rows)).toEqual(new Set([1]));
  expect(plain.context.shape[0]).toBe(1);
  expect(largestDifference(plain.latents, negative.latents)).toBe(0);
  tf.dispose([{ ...plain }, { ...negative }]);
});

test("prompts of one run do not see each other, and the noise is the seed's", async () => {
  const together = await pipe.generate(prompts, { steps: 2, seed: 7 });
  const alone = await pipe.generate([prompts[1]], { steps: 2, seed: 7 });
  const other = await pipe.generate([prompts[1]], { steps: 2, seed: 8 });
  expect(largestDifference(tf.slice(together.latents, 1), alone.latents)).toBeLessThan(1e-4);
  expect(largestDifference(alone.latents, other.latents)).toBeGreaterThan(0.1);
  tf.dispose([{ ...together }, { ...alone }, { ...other }]);
});

test('words that the model never read are a warning, once for all prompts, with those that it knows', async () => {
  const warnings: string[] = [];
  const options = { steps: 1, negative: 'a gnu', onWarning: (message: string) => warnings.push(message) };
  tf.dispose({ ...(await pipe.generate(['a zebra', 'a zebra on a beach'], options)) });
  expect(warnings).toEqual([
    expect.stringMatching(
      /^"gnu", "zebra" are not among the words that this model was trained with: anything may come of them\. Its words: an, the, .*\.$/,
    ),
  ]);
});

test('a prompt that is cut off is a warning that shows what was lost', async () => {
  const warnings: string[] = [];
  const prompt = `${'a cat '.repeat(15)}riding a bicycle`;
  tf.dispose({ ...(await pipe.generate([prompt], { steps: 1, onWarning: (message) => warnings.push(message) })) });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('Cut off: "riding a bicycle"');
});

test.each([
  [{ height: 63 }, 'The height is 63: it must be a multiple of 4 pixels.'],
  [{ steps: 0 }, 'The number of steps is 0'],
  [{ seed: 0.5 }, 'The seed is 0.5: it must be a whole number'],
  [{ memory: 100_000 }, /The run needs about \d+ MB, but only 1 MB are allowed: .* for the weights/],
  [{ memory: NaN }, 'The memory limit is NaN: it must be a number of bytes above 0.'],
  [{ negative: ['a dog', 'a pig'] }, '1 prompts and 2 negative prompts'],
])('%j is refused', async (options, message) => {
  const before = tf.memory().numTensors;
  await expect(pipe.generate(['a cat'], options)).rejects.toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
});
