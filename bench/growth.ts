/**
 * How do the time of a step and the peak of memory grow with the rows of a batch, the size of the latents, the threads
 * and the share of the run with injection, and the time of a run with its steps? At the embedded model's size; with
 * --full also at Stable Diffusion 1.4's, and with a quarter of its channels, which can go further. Every point is
 * measured in its own process, so that its peak memory is its own.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { chooseBackend } from '../src/node/backend';
import { type Point, pointsOf, readSizes } from './growth/points';
import { runOf } from './growth/run';
import { full, option, type Timing, timing } from './measure';

/** What a point's process reports. */
interface Measured extends Timing {
  /** Resident, in bytes. */
  readonly peak: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** In the point's own process. */
async function measure(point: Point): Promise<Measured> {
  const { versions } = await chooseBackend(option('backend'), { threads: point.threads });
  const run = runOf(point);
  await run(1); // Packs weights and grows memory.
  const times: number[] = [];
  for (let i = 0; i < point.runs; i++) {
    const start = performance.now();
    await run(point.steps);
    times.push(performance.now() - start);
  }
  return { ...timing(times), peak: 1024 * process.resourceUsage().maxRSS, versions };
}

function inProcess(point: Point): Measured {
  const output = execFileSync(
    process.execPath,
    [process.argv[1], `--backend=${option('backend')}`, `--point=${JSON.stringify(point)}`],
    { encoding: 'utf8' },
  );
  return JSON.parse(output.split('\n').find((line) => line.startsWith('{'))!) as Measured;
}

function measureAll(): void {
  if (option('threads')) return; // Threads are an axis.
  const backend = option('backend')!;
  const done = new Map<string, Measured>();
  for (const size of readSizes().filter((size) => !size.full || (full && backend !== 'wasm'))) {
    for (const { axis, at, point } of pointsOf(size, availableParallelism())) {
      const key = JSON.stringify(point);
      const { versions, ...measured } = done.get(key) ?? inProcess(point);
      if (done.size === 0) console.log(JSON.stringify({ versions }));
      done.set(key, { versions, ...measured });
      const { work, threads, steps } = point;
      console.log(JSON.stringify({ backend, threads, work, size: size.name, axis, at, steps, ...measured }));
    }
  }
}

const point = option('point');
if (point)
  void measure(JSON.parse(point) as Point).then((measured) => {
    console.log(JSON.stringify(measured));
    process.exit();
  });
else measureAll();
