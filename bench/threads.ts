/**
 * How much faster is an edit's step on wasm with all threads than with one, and how much faster could it be? The limit
 * is what independent single-threaded processes, one per core, achieve together, because cores can share their clock,
 * their caches and even their multipliers.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { chooseBackend } from '../src/node/backend';
import { readSizes } from './growth/points';
import { runOf } from './growth/run';
import { full, option, report, timing } from './measure';

/** Turns as short as possible, so that other load on the machine affects all alike. */
const [SECONDS, STEPS] = [full ? 180 : 60, 4];

/** Runs in a child process: sends its versions, then milliseconds per step whenever it is asked. */
async function answer(threads: number): Promise<void> {
  const { versions } = await chooseBackend('wasm', { threads });
  const run = runOf({ ...readSizes()[0], work: 'edit', steps: STEPS, share: 1, threads });
  for (let time = 0; time < 2; time++) await run(STEPS); // Packs weights and allocates memory.
  process.on('message', async () => {
    const start = performance.now();
    await run(STEPS);
    process.send!((performance.now() - start) / STEPS);
  });
  process.send!(versions);
}

async function measureAll(): Promise<void> {
  if (option('backend') !== 'wasm' || option('threads')) return; // Only for wasm, and threads are the variable.
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
