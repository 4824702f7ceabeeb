/** The files of examples/, as they are, on the small checkpoint. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {
  attentionStore,
  classifierFree,
  fitPicture,
  fromPictures,
  place,
  type RunOptions,
  StableDiffusionPipeline,
  tokensOf,
} from 'prompt-to-prompt-tfjs';
import { fileBytes, openCheckpoint } from 'prompt-to-prompt-tfjs/node';
import { attendTo } from '../../examples/attendTo';
import { eulerSampler } from '../../examples/eulerSampler';
import { editPicture } from '../../examples/invert';
import { perturbedAttention } from '../../examples/perturbedAttention';
import { rescaledGuidance } from '../../examples/rescaledGuidance';
import { resnetInjection } from '../../examples/resnetInjection';
import { sharedAttention } from '../../examples/sharedAttention';
import { unheardWord } from '../../examples/unheardWord';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';

const PROMPTS = ['a cat riding a bicycle', 'a cat riding a car'];
const STEPS = 5;
let pipe: StableDiffusionPipeline;
let tensors: number;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});
beforeEach(() => {
  tensors = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(tensors));

async function latentsOf(options: RunOptions, prompts = PROMPTS): Promise<tf.Tensor4D> {
  const { latents, images, noise, context } = await pipe.generate(prompts, { steps: STEPS, guidance: 7.5, ...options });
  tf.dispose([images, noise, context]);
  return latents;
}

/** How far two runs end from each other, of one prompt; both are disposed. */
async function between(a: Promise<tf.Tensor4D>, b: Promise<tf.Tensor4D>, prompt?: number): Promise<number> {
  const both = [await a, await b];
  const [one, other] = tf.tidy(() => both.map((x) => (prompt === undefined ? x.clone() : tf.slice(x, prompt, 1))));
  const found = await deviation(one, other);
  tf.dispose([both, one, other]);
  return found;
}

test.each(readdirSync('examples'))('%s is of at most 40 lines', (file) => {
  expect(readFileSync(join('examples', file), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(40);
});

test.each([
  ['pag', 1],
  ['pag and cfg', 7.5],
])("perturbedAttention: diffusers' latents (%s)", async (name, scale) => {
  const golden = await SafetensorsFile.open(await fileBytes('test/fixtures/guidance/latents.safetensors'));
  const expected = tf.tensor4d(await golden.read(name), [1, 16, 16, 4]);
  const made = await latentsOf({ guidance: [classifierFree(scale), perturbedAttention(3)] }, [PROMPTS[0]]);
  expect(await deviation(made, expected)).toBeLessThan(1e-3);
  tf.dispose([made, expected]);
});

test('sharedAttention: the first picture stays, the others come nearer to it', async () => {
  const shared = () => latentsOf({ controller: sharedAttention });
  expect(await between(shared(), latentsOf({}), 0)).toBeLessThan(1e-3);
  expect(await between(shared(), latentsOf({}), 1)).toBeGreaterThan(0.05);
  // Two equal prompts have each place of the picture twice, which is as if once.
  const twice = [PROMPTS[0], PROMPTS[0]];
  expect(await between(latentsOf({ controller: sharedAttention }, twice), latentsOf({}, twice))).toBeLessThan(1e-3);
});

test('resnetInjection: the target is drawn to the source, for as long as it is told', async () => {
  const injected = (until: number) => latentsOf({ controller: resnetInjection('up_blocks.1.resnets.0', until) });
  expect(await between(injected(0.8), latentsOf({}), 0)).toBeLessThan(1e-3);
  expect(await between(injected(0.8), latentsOf({}), 1)).toBeGreaterThan(0.01);
  expect(await between(injected(0), latentsOf({}))).toBe(0);
});

test('attendTo: the word is looked at more, the other prompt is left alone, and nothing stays in memory', async () => {
  const prompt = pipe.tokenizer.tokenize(PROMPTS[1]);
  const where = { kind: 'cross', grid: { height: 8, width: 8 } } as const;
  const session = await pipe.session(PROMPTS, {
    steps: STEPS,
    controller: attendTo(tokensOf(prompt, 'car'), where, 1, 1),
  });
  /** How much of the attention the word has, where it has most. */
  const most = (latents: tf.Tensor4D): number => {
    const store = attentionStore(where);
    tf.dispose(session.evaluate(latents, 0, { controller: store }));
    const found = tf.tidy(() => tf.max(store.wordMap(prompt, 'car', { prompt: 1 })).dataSync()[0]);
    store.dispose();
    return found;
  };
  const four = tf.tidy(() => tf.tile(session.latents, [2, 1, 1, 1]));
  const moved = await session.beforeStep(session.latents, 0);
  const after = tf.tidy(() => tf.tile(moved, [2, 1, 1, 1]));
  expect(most(after)).toBeGreaterThan(most(four));
  expect(await session.beforeStep(session.latents, 3)).toBe(session.latents);
  const [before, left] = tf.tidy(() => [session.latents, moved].map((x) => tf.slice(x, 0, 1)));
  expect(await deviation(left, before)).toBe(0);
  tf.dispose([four, moved, after, before, left]);
  await session.end();
  // A whole run leaves nothing either: afterEach looks.
  tf.dispose(await latentsOf({ controller: attendTo(tokensOf(prompt, 'car'), where, 20, 1) }));
});

test('invert: a picture comes back as the autoencoder knows it, beside its edit', async () => {
  const picture = { width: 96, height: 64, data: new Uint8ClampedArray(96 * 64 * 4).map((_, i) => (i * 7) % 256) };
  const images = await editPicture(pipe, picture, [PROMPTS[0], PROMPTS[1]]);
  const { width, height } = pipe.defaultSize;
  expect(images.shape).toEqual([2, height, width, 3]);
  const alone = tf.tidy(() => {
    const fitted = fitPicture(picture, place(picture, pipe.defaultSize));
    return pipe.decode(pipe.toLatents(fromPictures([fitted])));
  });
  const [source, edit] = tf.split(images, 2);
  expect(await deviation(source, alone)).toBeLessThan(1e-3);
  expect(await deviation(edit, alone)).toBeGreaterThan(0.1);
  tf.dispose([images, alone, source, edit]);
});

test('eulerSampler: what DDIM does', async () => {
  // It ends at timestep 0, as DDIM does here (set_alpha_to_one: false).
  expect(
    await between(latentsOf({ sampler: eulerSampler(STEPS), steps: undefined }), latentsOf({ sampler: 'ddim' })),
  ).toBeLessThan(1e-3);
});

test('rescaledGuidance: the deviation of the prediction is that of the one with the prompt', async () => {
  const session = await pipe.session(PROMPTS, { guidance: rescaledGuidance(7.5, 1) });
  const alone = await pipe.session(PROMPTS, { guidance: 1 });
  const deviations = [session, alone].map((one) =>
    tf.tidy(() => tf.moments(one.predict(one.latents, 0), [1, 2, 3]).variance.sqrt().arraySync() as number[]),
  );
  deviations[0].forEach((x, prompt) => expect(x).toBeCloseTo(deviations[1][prompt], 4));
  await session.end();
  await alone.end();
  expect(await between(latentsOf({ guidance: rescaledGuidance(7.5, 0) }), latentsOf({}))).toBeLessThan(1e-3);
});

test('an unheard word changes what comes after it in its own prompt, and nothing else', async () => {
  const tokens = tokensOf(pipe.tokenizer.tokenize(PROMPTS[1]), 'riding');
  const controller = unheardWord(1, tokens);
  const [plain, deaf] = [pipe.encode(PROMPTS), pipe.encode(PROMPTS, { controller })];
  const [a, b] = [await plain.array(), await deaf.array()];
  tf.dispose([plain, deaf]);
  const last = Math.max(...tokens);
  const changed = a.map((row, r) =>
    row.flatMap((token, t) => (token.some((x, i) => Math.abs(x - b[r][t][i]) > 1e-4) ? [t] : [])),
  );
  expect(changed[0]).toEqual([]);
  expect(changed[1]).toEqual(a[1].flatMap((_, t) => (t > last ? [t] : [])));
  // A run asks it, too: of the target's text, not of the source's.
  expect(await between(latentsOf({ controller }), latentsOf({}), 0)).toBeLessThan(1e-4);
  expect(await between(latentsOf({ controller }), latentsOf({}), 1)).toBeGreaterThan(1e-3);
});
