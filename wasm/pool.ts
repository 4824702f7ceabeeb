/**
 * Work for several threads. A job is divided into chunks, and these among the threads, in order: what lies at one place in the tensors of one
 * layer after the other stays in one processor's cache. Who is done with its own takes chunks of others. So a job is done without the helpers
 * too, only later: nobody waits for a helper that has not begun.
 *
 * The job is described in the shared memory, in one block of CONTROL_BYTES. Only one thread gives out jobs, one after the other.
 */
import { compute } from './jobs';

/** How many of a thread's chunks are still to be taken, for each thread in a cache line of its own; who comes too late makes it negative. */
const LEFT: usize = 0;
const LINE: usize = 64;
/** How many chunks are done. */
const DONE: usize = 512;
/** Counts the jobs; the helpers wait for it to change. */
const JOBS: usize = 576;
const KIND: usize = 640;
const CHUNKS: usize = 644;
/** Among how many threads they are divided, at most 8. */
const THREADS: usize = 648;
const PARAMETERS: usize = 652;

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

/** Begins a job, its parameters already written, for the helpers there are; {@link finish} must follow before the next one. */
export function start(control: usize, kind: i32, chunks: i32, helpers: i32): void {
  const threads = min(chunks, helpers + 1);
  store<i32>(control + KIND, kind);
  store<i32>(control + CHUNKS, chunks);
  store<i32>(control + THREADS, threads);
  atomic.store<i32>(control + DONE, 0);
  for (let thread = 0; thread < threads; thread++) atomic.store<i32>(control + LEFT + <usize>thread * LINE, firstOf(control, thread + 1) - firstOf(control, thread));
  if (threads > 1) {
    atomic.add<i32>(control + JOBS, 1);
    atomic.notify(control + JOBS, helpers);
  }
}

/** Does what is left of the job, and waits for what others have begun. */
export function finish(control: usize): void {
  takeChunks(control, 0);
  let looks = LOOKS;
  while (true) {
    const done = atomic.load<i32>(control + DONE);
    if (done === load<i32>(control + CHUNKS)) return;
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
    atomic.notify(control + DONE, 1); // Once a job, as it takes longer than many a chunk.
  }
}

/** The first of a thread's chunks. */
function firstOf(control: usize, thread: i32): i32 {
  return (load<i32>(control + CHUNKS) * thread) / load<i32>(control + THREADS);
}

function takeChunks(control: usize, thread: i32): void {
  for (let i = 0, threads = load<i32>(control + THREADS); i < threads; i++) takeChunksOf(control, (thread + i) % threads, thread);
}

/** That a chunk may be taken is known from the one number alone, so that a late helper never mixes up two jobs: only then it looks at the rest. */
function takeChunksOf(control: usize, owner: i32, thread: i32): void {
  while (true) {
    const left = atomic.sub<i32>(control + LEFT + <usize>owner * LINE, 1);
    if (left <= 0) return;
    compute(load<i32>(control + KIND), control, firstOf(control, owner) + left - 1, thread);
    atomic.add<i32>(control + DONE, 1);
  }
}
