import * as tf from '@tensorflow/tfjs';
import type { BackendInfo } from '../src/backend/backendInfo';
import { chooseBackend } from '../src/node/backend';

/** The times of one kind of work over all its runs, in milliseconds. */
export interface Timing {
  readonly best: number;
  readonly median: number;
  /** From the first quartile to the third. */
  readonly spread: number;
  readonly runs: number;
}

/** One line of a results file. */
export interface Result extends Timing {
  readonly backend: string;
  readonly threads: number;
  readonly work: string;
  /** The work that this is compared with, measured in turns with it; `ratio` is that of the best times. */
  readonly against?: string;
  readonly ratio?: number;
}

/** The value of `--name=` on the command line. */
export const option = (name: string): string | undefined =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);

export const full = process.argv.includes('--full');

/** Starts the requested backend, and reports its versions to bench/run.js. */
export async function startBackend(): Promise<BackendInfo> {
  const backend = await chooseBackend(option('backend'), {
    threads: option('threads') ? Number(option('threads')) : undefined,
  });
  console.log(JSON.stringify({ versions: backend.versions }));
  return backend;
}

/**
 * Runs all of them in turns, so that other load on the machine affects all alike, for some seconds but at least three
 * times. The first turn, which packs weights and allocates memory, is not counted.
 */
export async function inTurns(
  work: Readonly<Record<string, () => tf.Tensor | Promise<tf.Tensor>>>,
  seconds: number,
): Promise<Record<string, Timing>> {
  const times = Object.fromEntries(Object.keys(work).map((name) => [name, [] as number[]]));
  let end = Infinity;
  for (let turn = 0; turn < 4 || performance.now() < end; turn++) {
    for (const [name, compute] of Object.entries(work)) {
      const start = performance.now();
      const result = await compute();
      // Waits for one number only, because reading all of them would be measured too.
      const first = tf.tidy(() =>
        tf.slice(
          result,
          result.shape.map(() => 0),
          result.shape.map(() => 1),
        ),
      );
      await first.data();
      if (turn > 0) times[name].push(performance.now() - start);
      tf.dispose([result, first]);
    }
    if (turn === 0) end = performance.now() + seconds * 1000;
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, timing(all)]));
}

/** @param times of all runs, in milliseconds */
export function timing(times: readonly number[]): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => {
    const [place, last] = [share * (sorted.length - 1), sorted.length - 1];
    const below = sorted[Math.floor(place)];
    return below + (place % 1) * (sorted[Math.min(last, Math.floor(place) + 1)] - below);
  };
  return { best: round(sorted[0]), median: round(at(0.5)), spread: round(at(0.75) - at(0.25)), runs: sorted.length };
}

const round = (ms: number): number => Number(ms.toPrecision(3));

/** Prints results for bench/run.js to collect. @param against the name of the work that the others are compared with */
export function report(
  { name: backend, threads }: BackendInfo,
  timings: Readonly<Record<string, Timing>>,
  against?: string,
): void {
  for (const [work, one] of Object.entries(timings)) {
    const compared =
      against !== undefined && work !== against ? { against, ratio: round(one.best / timings[against].best) } : {};
    const result: Result = { backend, threads, work, ...one, ...compared };
    console.log(JSON.stringify(result));
  }
}
