import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { parsePythonJson } from '../../src/config';
import { fileBytes } from '../../src/node/fileSource';
import { TorchGenerator } from '../../src/sampler/noise';
import { createSampler, type SamplerOptions } from '../../src/sampler/sampler';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { useBackend } from '../backend';

interface Case {
  readonly name: string;
  readonly config: unknown;
  readonly options: Omit<SamplerOptions, 'steps' | 'generator'>;
  readonly runs: readonly { readonly steps: number; readonly timesteps: readonly number[] }[];
}

const FIXTURES = join(__dirname, '../fixtures/sampler');
const cases = parsePythonJson(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as Case[];

/** The made-up network of test/fixtures/sampler.py. */
function predict(latents: tf.Tensor4D, timestep: number): tf.Tensor4D {
  return tf.tidy(() => tf.add(latents, tf.mul(tf.sin(tf.add(latents, 0.005 * timestep)), 0.5)));
}

describe('samplers against diffusers', () => {
  useBackend();
  let trajectories: SafetensorsFile;
  beforeAll(async () => { trajectories = await SafetensorsFile.open(await fileBytes(join(FIXTURES, 'trajectories.safetensors'))); });

  test.each(cases)('$name', async ({ name, config, options, runs }) => {
    for (const { steps, timesteps } of runs) {
      const [, ...shape] = trajectories.tensors.get(`${name}/${steps}`)!.shape as [number, number, number, number, number];
      const size = shape.reduce((product, length) => product * length);
      const expected = await trajectories.read(`${name}/${steps}`);
      const at = (step: number) => tf.tensor4d(expected.slice(step * size, (step + 1) * size), shape);

      const [rows, height, width, channels] = shape;
      const generator = new TorchGenerator(steps);
      generator.randn([rows, channels, height, width]);
      const sampler = createSampler({ file: 'scheduler_config.json', json: config }, { ...options, steps, generator });
      expect(sampler.timesteps).toEqual(timesteps);

      let latents = at(0);
      const tensors = tf.memory().numTensors;
      timesteps.forEach((timestep, step) => {
        const before = latents;
        const prediction = predict(before, timestep);
        latents = sampler.step(prediction, step, before);
        tf.dispose([before, prediction]);
        const wanted = at(step + 1);
        expect(error(latents, wanted)).toBeLessThan(1e-5);
        wanted.dispose();
      });
      sampler.end();
      expect(tf.memory().numTensors).toBe(tensors);
      latents.dispose();
    }
  });
});

/** The largest difference, in standard deviations of what is expected. */
function error(actual: tf.Tensor, expected: tf.Tensor): number {
  return tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.sqrt(tf.moments(expected).variance)).dataSync()[0]);
}
