import * as tf from '@tensorflow/tfjs';
import { createSampler } from '../../src/sampler/createSampler';
import { type DenoisingOptions, type DenoisingStep, denoise, type Predict } from '../../src/sampler/denoise';
import { useBackend } from '../backend';

useBackend();

const STEPS = 5;
const predict: Predict = (latents, timestep) => tf.mul(latents, timestep / 1000);
const sampler = (name: 'ddim' | 'dpm++' = 'dpm++') =>
  createSampler({ file: 'scheduler_config.json', json: { steps_offset: 1 } }, { sampler: name, steps: STEPS });

/** Runs `use` on noise, and expects that it leaves no tensor behind. */
async function withNoise(use: (latents: tf.Tensor4D) => Promise<void>): Promise<void> {
  const latents = tf.tensor4d([1, -1, 0.5, 2], [1, 2, 2, 1]);
  const tensors = tf.memory().numTensors;
  await use(latents);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(latents.isDisposed).toBe(false);
  latents.dispose();
}

async function all(options: DenoisingOptions): Promise<Omit<DenoisingStep, 'latents' | 'prediction'>[]> {
  const steps = [];
  for await (const { latents, prediction, ...rest } of denoise(options)) {
    expect([latents.shape, prediction.shape]).toEqual([options.latents.shape, options.latents.shape]);
    steps.push(rest);
  }
  return steps;
}

describe.each(['ddim', 'dpm++'] as const)('denoise by %s', (name) => {
  test('takes every step of the schedule, and leaves nothing in memory', () =>
    withNoise(async (latents) => {
      const steps = await all({ sampler: sampler(name), latents, predict });
      expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
      expect(steps.map(({ timestep }) => timestep)).toEqual(sampler(name).timesteps);
      expect(steps.every(({ steps, seconds }) => steps === STEPS && seconds > 0)).toBe(true);
    }));

  test('goes step by step as the sampler alone does', () =>
    withNoise(async (latents) => {
      const alone = sampler(name);
      let expected = latents.clone();
      for await (const { step, timestep, latents: taken, prediction } of denoise({
        sampler: sampler(name),
        latents,
        predict,
      })) {
        const predicted = predict(expected, timestep, step);
        const next = alone.step(predicted, step, expected);
        expect(prediction.dataSync()).toEqual(predicted.dataSync());
        expect(taken.dataSync()).toEqual(next.dataSync());
        tf.dispose([expected, predicted]);
        expected = next;
      }
      alone.end?.();
      expected.dispose();
    }));

  test('leaves nothing in memory when the caller stops', () =>
    withNoise(async (latents) => {
      for await (const { step } of denoise({ sampler: sampler(name), latents, predict })) {
        if (step === 2) break;
      }
    }));

  test('leaves nothing in memory when a signal stops it, and says why', () =>
    withNoise(async (latents) => {
      const stop = new AbortController();
      const reason = new Error('enough');
      const steps: number[] = [];
      const run = async () => {
        for await (const { step } of denoise({ sampler: sampler(name), latents, predict, signal: stop.signal })) {
          steps.push(step);
          if (step === 1) stop.abort(reason);
        }
      };
      await expect(run()).rejects.toBe(reason);
      expect(steps).toEqual([0, 1]);
    }));

  test.each(['predict', 'onLatents'] as const)('leaves nothing in memory when %s throws', (hook) =>
    withNoise(async (latents) => {
      const failing = (x: tf.Tensor4D, step: number): tf.Tensor4D => {
        const scratch = tf.mul(x, 2) as tf.Tensor4D;
        if (step === 2) throw new Error('broken');
        return scratch;
      };
      const hooks =
        hook === 'predict'
          ? { predict: ((x, _, step) => failing(x, step)) as Predict }
          : { predict, onLatents: (x: tf.Tensor4D, { step }: { step: number }) => failing(x, step) };
      await expect(all({ sampler: sampler(name), latents, ...hooks })).rejects.toThrow('broken');
    }),
  );
});

test('a signal that has stopped already takes no step', () =>
  withNoise(async (latents) => {
    const predict = jest.fn();
    await expect(all({ sampler: sampler(), latents, predict, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect(predict).not.toHaveBeenCalled();
  }));

test('timers and signals get their turn between steps', () =>
  withNoise(async (latents) => {
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
    }, 0);
    const slow: Predict = (x, timestep, step) => {
      for (const end = performance.now() + 5; performance.now() < end; );
      return predict(x, timestep, step);
    };
    await all({ sampler: sampler(), latents, predict: slow });
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(STEPS - 1);
  }));

test('onLatents changes the latents that the next step begins with', () =>
  withNoise(async (latents) => {
    const seen: number[] = [];
    const calls: unknown[] = [];
    const onLatents: DenoisingOptions['onLatents'] = (x, call) => {
      calls.push(call);
      return tf.fill(x.shape, call.step) as tf.Tensor4D;
    };
    const watch: Predict = (x, timestep, step) => {
      seen.push(x.dataSync()[0]);
      return predict(x, timestep, step);
    };
    const { timesteps } = sampler();
    await all({ sampler: sampler(), latents, predict: watch, onLatents });
    expect(seen).toEqual([1, 0, 1, 2, 3]);
    expect(calls).toEqual(timesteps.map((timestep, step) => ({ step, steps: STEPS, timestep })));
  }));

test('a hook may keep the tensor that it gives back, and a network one that it gives again', () =>
  withNoise(async (latents) => {
    const kept: tf.Tensor4D[] = [];
    const constant = tf.zerosLike(latents);
    await all({
      sampler: sampler(),
      latents,
      predict: () => constant,
      onLatents: (x) => {
        kept.push(tf.keep(x));
        return x;
      },
    });
    expect(kept).toHaveLength(STEPS);
    expect([...kept, constant].map((tensor) => tensor.isDisposed)).not.toContain(true);
    tf.dispose([...kept, constant]);
  }));

test('beforeStep may wait, and changes the latents that are predicted from and stepped on', () =>
  withNoise(async (latents) => {
    const seen: number[] = [];
    const given: tf.Tensor4D[] = [];
    const beforeStep: DenoisingOptions['beforeStep'] = async (x, step) => {
      given.push(x);
      await x.data();
      return step % 2 ? x : (tf.fill(x.shape, step) as tf.Tensor4D);
    };
    const watch: Predict = (x, timestep, step) => {
      seen.push(x.dataSync()[0]);
      return predict(x, timestep, step);
    };
    await all({ sampler: sampler(), latents, predict: watch, beforeStep });
    expect([seen[0], seen[2], seen[4]]).toEqual([0, 2, 4]);
    expect(given.every((x) => x.isDisposed)).toBe(true);
  }));
