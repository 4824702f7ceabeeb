import * as tf from '@tensorflow/tfjs';
import type { AttentionController, BatchRow } from '../../src/attention/controller';
import { classifierFree } from '../../src/guidance/classifierFree';
import type { Guidance } from '../../src/guidance/guidance';
import { openCheckpoint } from '../../src/node/checkpoint';
import type { RunOptions } from '../../src/options';
import { StableDiffusionPipeline } from '../../src/pipeline';
import type { Sampler } from '../../src/sampler/sampler';
import { useBackend } from '../backend';

const PROMPTS = ['a cat riding a bicycle', 'a cat riding a car'];
let pipe: StableDiffusionPipeline;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

const largestDifference = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]);

async function last(options: RunOptions, prompts = PROMPTS): Promise<tf.Tensor4D> {
  const { latents, images, noise, context } = await pipe.generate(prompts, { steps: 3, ...options });
  tf.dispose([images, noise, context]);
  return latents;
}

/** Compares two tensors and disposes of them. */
const expectSame = (a: tf.Tensor, b: tf.Tensor): void => {
  expect(largestDifference(a, b)).toBeLessThan(1e-4);
  tf.dispose([a, b]);
};

test("a loop of one's own is the usual one", async () => {
  const before = tf.memory().numTensors;
  const session = await pipe.session(PROMPTS, { steps: 3 });
  let latents = session.latents.clone();
  for (const step of session.sampler.timesteps.keys()) {
    const next = tf.tidy(() => session.step(session.predict(latents, step), step, latents));
    latents.dispose();
    latents = next;
  }
  const images = session.decode(latents);
  await session.end();
  expect(images.shape).toEqual([2, 64, 64, 3]);
  images.dispose();
  expectSame(latents, await last({}));
  expect(tf.memory().numTensors).toBe(before);
});

test('one row at any step, with any latents, and the gradient to them and to what is read', async () => {
  const before = tf.memory().numTensors;
  const session = await pipe.session(PROMPTS, { steps: 3 });
  const rows: BatchRow[] = [{ prompt: 1, role: 'conditional' }];
  const latents = tf.randomNormal<tf.Rank.R4>([1, 16, 16, 4], 0, 1, 'float32', 1);
  const context = session.context(rows);
  const loss = (x: tf.Tensor, c?: tf.Tensor): tf.Scalar =>
    tf.sum(tf.square(session.evaluate(x as tf.Tensor4D, 2, { rows, context: c as tf.Tensor3D }))) as tf.Scalar;
  expectSame(
    session.evaluate(latents, 2, { rows }),
    tf.tidy(() => pipe.unet.forward(latents, session.sampler.timesteps[2], context)),
  );
  const [toLatents, toContext] = tf.grads(loss)([latents, context]);
  expect(toContext.shape).toEqual(context.shape);
  // Against a finite difference, in a direction.
  for (const [gradient, at] of [
    [toLatents, (h: number) => loss(tf.add(latents, tf.mul(toLatents, h)), context)],
    [toContext, (h: number) => loss(latents, tf.add(context, tf.mul(toContext, h)))],
  ] as const) {
    const [slope, expected] = tf.tidy(() => {
      const squared = tf.sum(tf.square(gradient)).dataSync()[0];
      const h = 1e-2 / Math.sqrt(squared);
      return [(at(h).dataSync()[0] - at(-h).dataSync()[0]) / (2 * h), squared];
    });
    expect(slope / expected).toBeCloseTo(1, 1);
  }
  tf.dispose([latents, context, toLatents, toContext]);
  await session.end();
  expect(tf.memory().numTensors).toBe(before);
});

test('a row that is left out is not computed, and guidance leaves its prompt as it is', async () => {
  const seen: BatchRow[][] = [];
  const controller: AttentionController = {
    wants: ({ rows }) => {
      seen.push([...rows]);
      return [];
    },
  };
  const omit = ({ prompt, role }: BatchRow): boolean => prompt === 0 && role === 'unconditional';
  const latents = await last({ omit, controller });
  expect(seen[0]).toEqual([
    { prompt: 1, role: 'unconditional' },
    { prompt: 0, role: 'conditional' },
    { prompt: 1, role: 'conditional' },
  ]);
  const [alone, guided] = [await last({ guidance: 1 }), await last({})];
  expectSame(tf.slice(latents, 0, 1), tf.slice(alone, 0, 1));
  expectSame(tf.slice(latents, 1, 1), tf.slice(guided, 1, 1));
  tf.dispose([latents, alone, guided]);
  const none = await pipe.session(PROMPTS, { omit: ({ prompt }) => prompt === 1 });
  expect(() => none.predict(none.latents, 0)).toThrow('Prompt 1 has no conditional row');
  await none.end();
});

test('what rows read can be given by role, the same for all steps or one for each', async () => {
  const dog = pipe.encode(['a dog']);
  const cat = pipe.encode(['']);
  const expected = () => last({ negative: 'a dog' });
  expectSame(await last({ context: { unconditional: dog } }), await expected());
  expectSame(await last({ context: { unconditional: [dog, dog, dog] } }), await expected());
  const mixed = await last({ context: { unconditional: [cat, dog, dog] } });
  const plain = await last({});
  expect(largestDifference(mixed, plain)).toBeGreaterThan(1e-3);
  tf.dispose([dog, cat, mixed, plain]);
});

test("a guidance of one's own: rows of its own role and text, its controller, several at once", async () => {
  const before = tf.memory().numTensors;
  const roles = new Set<string>();
  const awayFrom = (text: string, scale: number): Guidance => ({
    name: `awayFrom(${text}, ${scale})`,
    rows: [{ role: 'away', text: { of: text } }],
    guide: (prediction, { conditional, away }) => tf.add(prediction, tf.mul(tf.sub(conditional, away), scale)),
    controller: {
      wants: ({ rows }) => {
        for (const { role } of rows) roles.add(role);
        return [];
      },
    },
  });
  // Away from the text by s - 1 is guidance by s with it as the negative prompt.
  expectSame(await last({ guidance: awayFrom('a dog', 6.5) }), await last({ negative: 'a dog', guidance: 7.5 }));
  expect([...roles]).toEqual(['conditional', 'away']);
  expectSame(
    await last({ guidance: [classifierFree(3), awayFrom('', 2)] }),
    await last({ guidance: [awayFrom('', 2), classifierFree(3)] }),
  );
  expect(tf.memory().numTensors).toBe(before);
});

test("a sampler of one's own is walked as it is", async () => {
  const timesteps = [801, 401, 1];
  const halving: Sampler = {
    timesteps,
    step: (prediction, index, latents) => tf.tidy(() => tf.sub(latents, tf.mul(prediction, 0.5 / (index + 1)))),
  };
  const seen: number[] = [];
  const latents: number[] = [];
  for await (const step of pipe.run(PROMPTS, { sampler: halving })) {
    seen.push(step.timestep);
    latents.push(...step.latents.shape);
  }
  expect(seen).toEqual(timesteps);
  await expect(pipe.session(PROMPTS, { sampler: halving, steps: 3 })).rejects.toThrow('leave out steps');
  await expect(pipe.session(PROMPTS, { sampler: { ...halving, timesteps: [] } })).rejects.toThrow('has no timesteps');
});

test('before a step a controller may move the latents by a gradient', async () => {
  const before = tf.memory().numTensors;
  const energies: number[] = [];
  const smaller: AttentionController = {
    wants: () => [],
    async beforeStep(latents, { evaluate, gradient }) {
      const rows: BatchRow[] = [{ prompt: 1, role: 'conditional' }];
      const energy = (x: tf.Tensor4D): tf.Scalar =>
        tf.mean(tf.square(evaluate(tf.slice(x, [1, 0, 0, 0], [1, -1, -1, -1]), { rows })));
      const { value, gradient: slope } = gradient(energy, latents);
      energies.push((await value.data())[0]);
      const moved = tf.tidy(() => tf.sub<tf.Tensor4D>(latents, tf.mul(slope, 50)));
      const after = tf.tidy(() => energy(moved));
      energies.push((await after.data())[0]);
      tf.dispose([value, after, slope]);
      return moved;
    },
  };
  tf.dispose(await last({ controller: smaller }));
  for (const step of [0, 1, 2]) expect(energies[2 * step + 1]).toBeLessThan(energies[2 * step]);
  expect(tf.memory().numTensors).toBe(before);
});
