/**
 * How much faster is an edit's step on wasm with all threads than with one, and how much is there to be had? As much as processes of one
 * thread each, one for each core, get done side by side: cores can share their clock, their caches, even what multiplies.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { chooseBackend } from '../src/node/backend';
import { readSizes } from './growth/points';
import { runOf } from './growth/run';
import { full, option, report, timing } from './measure';

const [TURNS, SECONDS, STEPS] = [full ? 8 : 3, 5, 4];

/** In a process of its own: milliseconds a step, over and over. */
async function measure(threads: number): Promise<{ times: number[]; versions: Readonly<Record<string, string>> }> {
  const { versions } = await chooseBackend('wasm', { threads });
  const run = runOf({ ...readSizes()[0], work: 'edit', steps: STEPS, share: 1, threads });
  await run(2); // Packs weights and grows memory.
  const times: number[] = [];
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end;) {
    const start = performance.now();
    await run(STEPS);
    times.push((performance.now() - start) / STEPS);
  }
  return { times, versions };
}

async function sideBySide(processes: number, threads: number): ReturnType<typeof measure> {
  const all = await Promise.all(Array.from({ length: processes }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [process.argv[1], `--measured=${threads}`]);
    return JSON.parse(stdout.split('\n').find((line) => line.startsWith('{'))!) as Awaited<ReturnType<typeof measure>>;
  }));
  return { times: all.flatMap(({ times }) => times), versions: all[0].versions };
}

async function measureAll(): Promise<void> {
  if (option('backend') !== 'wasm' || option('threads')) return; // It is a question of wasm's, and threads are the question.
  const cores = availableParallelism();
  const one = 'an edit\'s step, 1 thread';
  const ways: Readonly<Record<string, readonly [processes: number, threads: number]>> = {
    [one]: [1, 1],
    [`an edit's step, ${cores} threads`]: [1, cores],
    [`an edit's step, 1 thread, ${cores} processes side by side`]: [cores, 1],
  };
  const times: Record<string, number[]> = {};
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [name, way] of Object.entries(ways)) {
      const measured = await sideBySide(...way);
      if (turn === 0 && name === one) console.log(JSON.stringify({ versions: measured.versions }));
      (times[name] ??= []).push(...measured.times);
    }
  }
  const timings = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, timing(all)]));
  report({ name: 'wasm', threads: cores, versions: {} }, timings, one);
}

const measured = option('measured');
if (measured) void measure(Number(measured)).then((result) => { console.log(JSON.stringify(result)); process.exit(); });
else void measureAll();
