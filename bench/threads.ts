/**
 * How much faster is an edit's step on wasm with all threads than with one, and how much is there to be had? As much as
 * processes of one thread each, one for each core, get done side by side: cores can share their clock, their caches,
 * even what multiplies.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { chooseBackend } from '../src/node/backend';
import { readSizes } from './growth/points';
import { runOf } from './growth/run';
import { full, option, report, timing } from './measure';

/** In turns as short as they may be, so that what else the machine does falls on all alike. */
const [SECONDS, STEPS] = [full ? 180 : 60, 4];

/** A process of its own: says its versions, and then, as often as it is asked, milliseconds a step. */
async function answer(threads: number): Promise<void> {
  const { versions } = await chooseBackend('wasm', { threads });
  const run = runOf({ ...readSizes()[0], work: 'edit', steps: STEPS, share: 1, threads });
  for (let time = 0; time < 2; time++) await run(STEPS); // Packs weights and grows memory.
  process.on('message', async () => {
    const start = performance.now();
    await run(STEPS);
    process.send!((performance.now() - start) / STEPS);
  });
  process.send!(versions);
}

async function measureAll(): Promise<void> {
  if (option('backend') !== 'wasm' || option('threads')) return; // It is a question of wasm's, and threads are the question.
  const cores = availableParallelism();
  const started: ChildProcess[] = [];
  const start = async (threads: number): Promise<{ child: ChildProcess; versions: object }> => {
    const child = fork(process.argv[1], [`--measured=${threads}`]);
    started.push(child);
    return { child, versions: (await once(child, 'message'))[0] as object };
  };
  const one = "an edit's step, 1 thread";
  const single = await start(1),
    all = await start(cores);
  const beside = await Promise.all(Array.from({ length: cores - 1 }, () => start(1)));
  console.log(JSON.stringify({ versions: single.versions }));
  const ways: Readonly<Record<string, ChildProcess[]>> = {
    [one]: [single.child],
    [`an edit's step, ${cores} threads`]: [all.child],
    [`an edit's step, 1 thread, ${cores} processes side by side`]: [single, ...beside].map(({ child }) => child),
  };

  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
    for (const [name, children] of Object.entries(ways)) {
      times[name].push(
        ...(await Promise.all(
          children.map(async (child) => {
            child.send('run');
            return (await once(child, 'message'))[0] as number;
          }),
        )),
      );
    }
  }
  for (const child of started) child.kill();
  report(
    { name: 'wasm', threads: cores, versions: {} },
    Object.fromEntries(Object.entries(times).map(([name, taken]) => [name, timing(taken)])),
    one,
  );
}

const measured = option('measured');
if (measured) void answer(Number(measured));
else void measureAll();
