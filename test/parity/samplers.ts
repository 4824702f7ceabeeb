import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { parsePythonJson } from '../../src/config';
import { fileBytes } from '../../src/node/fileSource';
import { createSampler, type SamplerOptions } from '../../src/sampler/createSampler';
import { TorchGenerator } from '../../src/sampler/noise';
import type { Sampler } from '../../src/sampler/sampler';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { type Comparison, deviation } from './comparison';

export interface SamplerCase {
  readonly name: string;
  readonly config: unknown;
  readonly options: Omit<SamplerOptions, 'steps' | 'generator'>;
  readonly runs: readonly { readonly steps: number; readonly timesteps: readonly number[] }[];
}

const FIXTURES = 'test/fixtures/sampler';
export const samplerCases = parsePythonJson(readFileSync(`${FIXTURES}/cases.json`, 'utf8')) as SamplerCase[];

/** The latents after every step, compared with diffusers'. */
export const samplers: readonly Comparison[] = samplerCases.map((one) => ({
  part: 'samplers',
  name: one.name,
  most: 1e-5,
  async largest() {
    const trajectories = await SafetensorsFile.open(await fileBytes(`${FIXTURES}/trajectories.safetensors`));
    let largest = 0;
    for (const { steps } of one.runs) {
      const key = `${one.name}/${steps}`;
      const [, ...shape] = trajectories.tensors.get(key)!.shape as [number, number, number, number, number];
      largest = Math.max(
        largest,
        await alongTrajectory(samplerOf(one, steps, shape), await trajectories.read(key), shape),
      );
    }
    return largest;
  },
}));

/** A sampler with the same fresh noise as the fixture's script, which has drawn the starting noise first. */
export function samplerOf(
  { config, options }: SamplerCase,
  steps: number,
  [rows, height, width, channels]: readonly number[],
): Sampler {
  const generator = new TorchGenerator(steps);
  generator.randn([rows, channels, height, width]);
  return createSampler({ file: 'scheduler_config.json', json: config }, { ...options, steps, generator });
}

async function alongTrajectory(
  sampler: Sampler,
  expected: Float32Array,
  shape: [number, number, number, number],
): Promise<number> {
  const size = shape.reduce((product, length) => product * length);
  const at = (step: number): tf.Tensor4D => tf.tensor4d(expected.slice(step * size, (step + 1) * size), shape);
  let [latents, largest] = [at(0), 0];
  for (const [step, timestep] of sampler.timesteps.entries()) {
    const before = latents;
    const prediction = await predict(before, timestep);
    latents = sampler.step(prediction, step, before);
    const wanted = at(step + 1);
    largest = Math.max(largest, await deviation(latents, wanted));
    tf.dispose([before, prediction, wanted]);
  }
  sampler.end?.();
  latents.dispose();
  return largest;
}

/**
 * The made-up network of test/fixtures/sampler.py, in float32 as there; not on the backend, because a GPU's sine is
 * imprecise.
 */
async function predict(latents: tf.Tensor4D, timestep: number): Promise<tf.Tensor4D> {
  const { fround, sin } = Math;
  const shift = fround(0.005 * timestep);
  return tf.tensor4d(
    ((await latents.data()) as Float32Array).map((x) => x + 0.5 * fround(sin(fround(x + shift)))),
    latents.shape,
  );
}
