/**
 * Where does an edit's time go? By function, as a flame graph in profiles/, and by tfjs kernel, as a table. For an edit
 * of ten steps on the embedded model, from the prompts to the pictures, after one to warm up.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { loadPipeline } from '../src/node';
import { EMBEDDED } from '../src/node/checkpoint';
import type { StableDiffusionPipeline } from '../src/pipeline';
import { option, startBackend } from './measure';
import { flameGraph } from './profile/flameGraph';
import type { Profile } from './profile/tree';

const PROMPTS = ['a cat riding a bicycle in a meadow', 'a cat riding a car in a meadow'];
const STEPS = 10;
const FOLDER = 'bench/profiles';

/** The total time of a kernel's calls, including the kernels that it calls. */
export interface KernelTime {
  readonly backend: string;
  readonly threads: number;
  readonly kernel: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** The fraction of all kernels' time. */
  readonly share: number;
}

async function main(): Promise<void> {
  // With more threads on wasm, a profile would only show the main thread waiting for them.
  if (option('backend') === 'wasm' && option('threads') !== '1') return;
  const backend = await startBackend();
  const pipe = await loadPipeline(EMBEDDED, { backend: backend.name });
  await edit(pipe);

  const profile = await profiled(() => edit(pipe));
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(
    `${FOLDER}/edit-${backend.name}.svg`,
    flameGraph(
      `An edit of ${STEPS} steps on ${backend.name}, ${backend.threads} thread${backend.threads > 1 ? 's' : ''}`,
      profile,
    ),
  );

  const { kernels } = await tf.profile(async () => {
    await edit(pipe);
    return [];
  });
  for (const line of await byKernel(kernels))
    console.log(JSON.stringify({ backend: backend.name, threads: backend.threads, ...line }));
}

async function edit(pipe: StableDiffusionPipeline): Promise<void> {
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS });
  const made = await pipe.generate(PROMPTS, { steps: STEPS, controller });
  await made.images.data();
  tf.dispose({ ...made });
}

/** Samples the running function a thousand times a second. */
async function profiled(work: () => Promise<void>): Promise<Profile> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 1000 });
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return profile;
}

async function byKernel(
  kernels: Awaited<ReturnType<typeof tf.profile>>['kernels'],
): Promise<Omit<KernelTime, 'backend' | 'threads'>[]> {
  const sums = new Map<string, { calls: number; milliseconds: number }>();
  for (const { name, kernelTimeMs } of kernels) {
    if (!tf.getKernel(name, tf.getBackend())) continue; // tfjs also counts the scopes around kernels.
    const time = await kernelTimeMs;
    const sum = sums.get(name) ?? { calls: 0, milliseconds: 0 };
    sums.set(name, sum);
    sum.calls += 1;
    sum.milliseconds += typeof time === 'number' ? time : 0;
  }
  const total = [...sums.values()].reduce((all, { milliseconds }) => all + milliseconds, 0);
  const round = (value: number): number => Number(value.toPrecision(3));
  return [...sums]
    .map(([kernel, { calls, milliseconds }]) => ({
      kernel,
      calls,
      milliseconds: round(milliseconds),
      share: round(milliseconds / total),
    }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

void main().then(() => process.exit());
