import * as tf from '@tensorflow/tfjs';
import { Adam } from '../../src/inversion/adam';
import { type NullTextOptions, nullTextOptimization } from '../../src/inversion/nullText';
import { Trajectory } from '../../src/inversion/trajectory';
import { createSampler } from '../../src/sampler/createSampler';
import type { DDIMSampler } from '../../src/sampler/ddim';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { cases, golden, openWith } from './fixture';

useBackend();

/** Runs a case's optimisation for its first steps. @returns what it found of each */
async function firstSteps(name: string, count: number, options: Partial<NullTextOptions> = {}) {
  const { inversion, source, guidance, epsilon } = cases.edits[name];
  const pipe = await openWith(cases.inversions[inversion!].scheduler);
  const tensor = await golden(`trajectory.${inversion}`);
  const trajectory = Trajectory.from(tensor);
  const [conditional, unconditional] = [pipe.encode([source]), pipe.encode([''])];
  const sampler = createSampler(pipe.scheduler, { steps: cases.steps }) as DDIMSampler;
  const found = [];
  for await (const step of nullTextOptimization({
    sampler,
    trajectory,
    network: (latents, step, context) => pipe.unet.forward(latents, sampler.timesteps[step], context),
    conditional,
    unconditional,
    guidance,
    epsilon,
    ...options,
  })) {
    found.push(step);
    if (found.length === count) break;
  }
  for (const one of [pipe, tensor, trajectory, conditional, unconditional]) one.dispose();
  return found;
}

test.each(['null-text', 'null-text-wide'])(
  '%s finds the embeddings of the authors, with their losses',
  async (name) => {
    const before = tf.memory().numTensors;
    const embeddings = await golden<tf.Tensor3D>(`null-text.${name}.embeddings`);
    const losses = await golden<tf.Tensor2D>(`null-text.${name}.losses`);
    const expected = (await losses.array()).map((row) => row.filter((loss) => !Number.isNaN(loss)));
    for (const { step, embedding, losses } of await firstSteps(name, 3)) {
      expect(losses).toHaveLength(expected[step].length);
      losses.forEach((loss, i) => expect(Math.abs(loss / expected[step][i] - 1)).toBeLessThan(0.05));
      const golden = tf.slice(embeddings, step, 1);
      expect(await deviation(embedding, golden)).toBeLessThan(1e-3);
      tf.dispose([embedding, golden]);
    }
    tf.dispose([embeddings, losses]);
    expect(tf.memory().numTensors).toBe(before);
  },
  600_000,
);

test('goes on from embeddings that were found before', async () => {
  const whole = await firstSteps('null-text-wide', 3);
  const found = tf.concat(whole.slice(0, 2).map(({ embedding }) => embedding)) as tf.Tensor3D;
  const resumed = await firstSteps('null-text-wide', 3, { found });
  expect(resumed.map(({ losses }) => losses.length)).toEqual([0, 0, whole[2].losses.length]);
  expect(await deviation(resumed[2].embedding, whole[2].embedding)).toBeLessThan(1e-6);
  tf.dispose([found, ...[...whole, ...resumed].map(({ embedding }) => embedding)]);
}, 600_000);

test('Adam takes a step of its rate against the sign of the first gradient, then slower ones where signs change', () => {
  const optimizer = new Adam(0.1);
  const x = tf.tensor1d([1, 2]);
  const first = optimizer.step(x, tf.tensor1d([3, -5]));
  expect([...first.dataSync()].map((value) => Number(value.toFixed(5)))).toEqual([0.9, 2.1]);
  // mean (0.1 * 3 * 0.9 - 0.1 * 3) / (1 - 0.81), square 9: moves by 0.1 * 0.05 / 1 * ...
  const second = optimizer.step(first, tf.tensor1d([-3, -5]));
  expect(second.dataSync()[0]).toBeCloseTo(0.9 + (0.1 * (0.03 / 0.19)) / 3, 5);
  expect(second.dataSync()[1]).toBeCloseTo(2.2, 5);
  optimizer.dispose();
});
