/**
 * Work for several threads. A job is divided into chunks; whoever is free takes the next one. So a job is done without the helpers too, only
 * later: nobody waits for a helper that has not begun.
 *
 * The job is described in the shared memory, in one block of CONTROL_BYTES. Only one thread gives out jobs, one after the other.
 */
import { compute } from './jobs';

/** How many chunks are still to be taken; a helper that comes too late makes it negative. */
const LEFT: usize = 0;
/** How many chunks are done. */
const DONE: usize = 64;
/** Counts the jobs; the helpers wait for it to change. */
const JOBS: usize = 128;
const KIND: usize = 192;
const PARAMETERS: usize = 196;

/** So many looks before a thread goes to sleep, about a millisecond: to wake it up takes longer than what lies between two jobs of a network. */
const LOOKS: i32 = 1_000_000;

export function integer(control: usize, index: i32): i32 {
  return load<i32>(control + PARAMETERS + (<usize>index << 2));
}

export function address(control: usize, index: i32): usize {
  return <usize>load<u32>(control + PARAMETERS + (<usize>index << 2));
}

export function float(control: usize, index: i32): f32 {
  return load<f32>(control + PARAMETERS + (<usize>index << 2));
}

/** Does a job, its parameters already written, together with the helpers there are. */
export function run(control: usize, kind: i32, chunks: i32, helpers: i32): void {
  store<i32>(control + KIND, kind);
  atomic.store<i32>(control + DONE, 0);
  atomic.store<i32>(control + LEFT, chunks);
  if (helpers > 0 && chunks > 1) {
    atomic.add<i32>(control + JOBS, 1);
    atomic.notify(control + JOBS, helpers);
  }
  takeChunks(control, 0);
  let looks = LOOKS;
  while (true) {
    const done = atomic.load<i32>(control + DONE);
    if (done === chunks) return;
    if (--looks < 0) atomic.wait<i32>(control + DONE, done, -1);
  }
}

/** A helper's whole life. @param thread from 1; 0 is who gives out the jobs */
export function help(control: usize, thread: i32): void {
  let seen = 0;
  while (true) {
    let looks = LOOKS;
    while (atomic.load<i32>(control + JOBS) === seen) {
      if (--looks < 0) atomic.wait<i32>(control + JOBS, seen, -1);
    }
    seen = atomic.load<i32>(control + JOBS);
    takeChunks(control, thread);
  }
}

/** That a chunk may be taken is known from the one number alone, so that a late helper never mixes up two jobs. */
function takeChunks(control: usize, thread: i32): void {
  while (true) {
    const left = atomic.sub<i32>(control + LEFT, 1);
    if (left <= 0) return;
    compute(load<i32>(control + KIND), control, left - 1, thread);
    atomic.add<i32>(control + DONE, 1);
    if (thread > 0) atomic.notify(control + DONE, 1);
  }
}
