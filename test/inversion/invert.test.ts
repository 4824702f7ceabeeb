import * as tf from '@tensorflow/tfjs';
import { iterated } from '../../src/inversion/fixedPoint';
import { INVERSIONS, type InversionName } from '../../src/inversion/names';
import { Trajectory } from '../../src/inversion/trajectory';
import { type InvertOptions, invert } from '../../src/invert';
import { Recording } from '../../src/recording/recording';
import { createSampler } from '../../src/sampler/createSampler';
import { BlobSink } from '../../src/weights/sink';
import { bytesOf } from '../../src/weights/source';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { lastLatents } from '../parity/edits';
import { golden, openWith } from './fixture';

useBackend();

const PROMPT = 'a car on a street';
const TARGET = 'a red car on a street';

async function withSquare<T>(
  work: (pipe: Awaited<ReturnType<typeof openWith>>, latents: tf.Tensor4D) => Promise<T>,
): Promise<T> {
  const before = tf.memory().numTensors;
  const [pipe, latents] = [await openWith('offset'), await golden('latents.square')];
  const result = await work(pipe, latents);
  for (const one of [pipe, latents]) one.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return result;
}

test.each(['ddim', 'dpm++'] as const)('direct: the source comes out as it went in, by %s', async (sampler) => {
  await withSquare(async (pipe, latents) => {
    const inversion = await invert(pipe, latents, { prompt: PROMPT, steps: 5, sampler });
    const last = await lastLatents(pipe.run([PROMPT, TARGET], inversion.options()));
    const source = tf.slice(last, 0, 1);
    expect(await deviation(source, latents)).toBe(0);
    for (const one of [inversion, last, source]) one.dispose();
  });
});

test('direct: guidance leads away from the source where the checkpoint says so, and nothing else is asked', async () => {
  await withSquare(async (pipe, latents) => {
    const negativeOf = async (options: InvertOptions): Promise<unknown> => {
      const inversion = await invert(pipe, latents, { prompt: PROMPT, steps: 2, ...options });
      inversion.dispose();
      return inversion.options().negative;
    };
    expect(await negativeOf({})).toBe('');
    Object.assign(pipe.defaults, { pictures: { ...pipe.defaults.pictures, negative: 'source' } });
    expect(await negativeOf({})).toBe(PROMPT);
    expect(await negativeOf({ negative: '' })).toBe('');
    expect(await negativeOf({ method: 'ddim' })).toBe('');
  });
});

test('direct: the source has one row, and none for guidance', async () => {
  await withSquare(async (pipe, latents) => {
    const inversion = await invert(pipe, latents, { prompt: PROMPT, steps: 2 });
    const session = await pipe.session([PROMPT, TARGET], inversion.options());
    expect(session.rows).toEqual([
      { prompt: 1, role: 'unconditional' },
      { prompt: 0, role: 'conditional' },
      { prompt: 1, role: 'conditional' },
    ]);
    await session.end();
    inversion.dispose();
  });
});

test('direct: a recording is for any guidance, the others for their own', async () => {
  await withSquare(async (pipe, latents) => {
    const run = async (method: InversionName, guidance: number) => {
      const inversion = await invert(pipe, latents, { prompt: PROMPT, method, steps: 2, sampler: 'ddim' });
      const sink = new BlobSink();
      await inversion.record(pipe, { to: sink });
      const recording = await Recording.open(bytesOf(sink.blob));
      const fresh = await lastLatents(pipe.run([PROMPT, TARGET], { ...inversion.options(), guidance }));
      inversion.dispose();
      const recorded = await lastLatents(pipe.run([PROMPT, TARGET], { recording, guidance })).catch((error) => {
        fresh.dispose();
        throw error;
      });
      const found = await deviation(recorded, fresh);
      tf.dispose([fresh, recorded]);
      return found;
    };
    expect(await run('direct', 3)).toBeLessThan(1e-3);
    await expect(run('ddim', 3)).rejects.toThrow('recorded with guidance 7.5, asked for 3');
  });
});

test('fixed-point: the more iterations, the nearer a step leads back to where it came from', async () => {
  await withSquare(async (pipe, latents) => {
    const sampler = createSampler(pipe.scheduler, { steps: 10 });
    const context = pipe.encode([PROMPT]);
    const predict = (x: tf.Tensor4D, timestep: number) => pipe.unet.forward(x, timestep, context);
    const errors: number[] = [];
    for (const iterations of [1, 2, 4]) {
      const inverse = iterated(sampler.inverse!(), predict, iterations);
      const timestep = inverse.timesteps[5];
      const back = tf.tidy(() => {
        const up = inverse.step(predict(latents, timestep), 5, latents);
        return sampler.step(predict(up, timestep), 4, up);
      });
      errors.push(await deviation(back, latents));
      back.dispose();
    }
    context.dispose();
    expect(errors[1]).toBeLessThan(errors[0] / 2);
    expect(errors[2]).toBeLessThan(errors[1] / 2);
  });
});

test('what a method or a sampler cannot do is refused, and nothing is left behind', async () => {
  await withSquare(async (pipe, latents) => {
    const by = (method: InversionName, options: object = {}) =>
      invert(pipe, latents, { prompt: PROMPT, method, steps: 2, ...options });
    await expect(by('null-text', { sampler: 'dpm++' })).rejects.toThrow('needs the sampler ddim');
    await expect(by('null-text', { guidance: 1 })).rejects.toThrow('needs a guidance over 1');
    await expect(by('edit-friendly', { sampler: 'dpm++' })).rejects.toThrow('needs the sampler ddim');
    await expect(by('edit-friendly', { skip: 1 })).rejects.toThrow('less than 1');
    await expect(by('h-edit', { sampler: 'dpm++' })).rejects.toThrow('needs the sampler ddim');
    await expect(by('fixed-point', { sampler: 'dpm++' })).rejects.toThrow('needs ddim');
    await expect(by('fixed-point', { iterations: 0 })).rejects.toThrow('positive whole number');
    await expect(by('null-text', { iterations: 0 })).rejects.toThrow('positive whole number');
    const inversion = await by('h-edit');
    await expect(inversion.record(pipe, { to: new BlobSink() })).rejects.toThrow('cannot be made from a recording');
    inversion.dispose();
  });
});

test('every method stops when it is told to, and leaves nothing behind', async () => {
  await withSquare(async (pipe, latents) => {
    for (const method of INVERSIONS) {
      const stop = new AbortController();
      const onProgress = () => stop.abort(new Error('enough'));
      const stopped = invert(pipe, latents, { prompt: PROMPT, method, steps: 3, signal: stop.signal, onProgress });
      await expect(stopped).rejects.toThrow('enough');
    }
  });
});

test('a trajectory goes from the picture to noise', () => {
  const tensor = tf.tensor4d([0, 1, 2], [3, 1, 1, 1]);
  const trajectory = Trajectory.from(tensor);
  const value = (x: tf.Tensor4D) => x.dataSync()[0];
  expect([trajectory.picture, trajectory.noise, trajectory.before(0), trajectory.after(1)].map(value)).toEqual([
    0, 2, 2, 0,
  ]);
  const whole = trajectory.tensor();
  expect([...whole.dataSync()]).toEqual([0, 1, 2]);
  for (const one of [tensor, trajectory, whole]) one.dispose();
});
