/**
 * Work for several threads. Jobs stand in a queue, and each begins when the one before is done. A job is divided into
 * chunks, and these among the threads, in order: what lies at one place in the tensors of one layer after the other
 * stays in one processor's cache. Who is done with its own takes chunks of others. So jobs are done without the helpers
 * too, only later: nobody waits for a helper that has not begun. And the helpers go on through the queue without the
 * thread that gives out the jobs, which has other things to do in between.
 *
 * All is in shared memory: some counters, and a slot for each job that stands in the queue. Jobs are told apart by
 * their number, from 0.
 */
import { compute } from './jobs';

/**
 * Each in a cache line of its own: how often a job has been given out or got done, how many jobs are done, how many
 * have been given out.
 */
const EVENTS: usize = 0;
const DONE: usize = 64;
const GIVEN: usize = 128;
const SLOTS: usize = 192;

/** How many jobs may stand in the queue, a power of 2; bytes of a slot, and of all. */
export const QUEUE: i32 = 64;
const SLOT: usize = 1024;
export const QUEUE_BYTES: i32 = <i32>(SLOTS + <usize>QUEUE * SLOT);

/**
 * In a slot: for each thread, in a cache line of its own, the job's number above and below it how many of the thread's
 * chunks are still to be taken.
 */
const LEFT: usize = 0;
const LINE: usize = 64;
/** How many chunks are done. */
const CHUNKS_DONE: usize = 512;
const KIND: usize = 576;
const CHUNKS: usize = 580;
/** Among how many threads they are divided, at most 8; no others take any. */
const THREADS: usize = 584;
const PARAMETERS: usize = 588;

/**
 * So many looks in vain before a thread is to sleep, about a millisecond: to wake it up takes longer than what lies
 * between two jobs of a network. It sleeps in JavaScript: where it does so in WebAssembly, V8 11.3 (Node 20) forgets
 * the function's variables.
 */
const LOOKS: i32 = 500_000;

export function integer(slot: usize, index: i32): i32 {
  return load<i32>(slot + PARAMETERS + (<usize>index << 2));
}

export function address(slot: usize, index: i32): usize {
  return <usize>load<u32>(slot + PARAMETERS + (<usize>index << 2));
}

export function float(slot: usize, index: i32): f32 {
  return load<f32>(slot + PARAMETERS + (<usize>index << 2));
}

/** How many jobs are done. */
export function done(queue: usize): i32 {
  return atomic.load<i32>(queue + DONE);
}

/** Where the parameters of the next job belong, of which there must be room: the job that stood there is done. */
export function parameters(queue: usize): usize {
  return slotOf(queue, load<i32>(queue + GIVEN)) + PARAMETERS;
}

/** Gives out a job, its parameters already written. */
export function give(queue: usize, kind: i32, chunks: i32, threads: i32): void {
  const job = load<i32>(queue + GIVEN);
  const slot = slotOf(queue, job);
  store<i32>(slot + KIND, kind);
  store<i32>(slot + CHUNKS, chunks);
  store<i32>(slot + THREADS, threads);
  store<i32>(slot + CHUNKS_DONE, 0);
  for (let thread = 0; thread < threads; thread++) {
    atomic.store<i64>(slot + LEFT + <usize>thread * LINE, (<i64>job << 32) | (firstOf(slot, thread + 1) - firstOf(slot, thread)));
  }
  atomic.store<i32>(queue + GIVEN, job + 1);
  tell(queue);
}

/**
 * Of the thread that gives out the jobs: its share of all before this one. @returns whether they are done; else sleep
 * until there is an event
 */
export function finish(queue: usize, job: i32): bool {
  let looks = LOOKS;
  while (done(queue) - job < 0) {
    if (takeChunks(queue, 0)) looks = LOOKS;
    else if (--looks < 0) return false;
  }
  return true;
}

/** A helper's share of the jobs. It is to sleep then until there is an event. @param thread from 1 */
export function help(queue: usize, thread: i32): void {
  for (let looks = LOOKS; looks >= 0; looks--) if (takeChunks(queue, thread)) looks = LOOKS;
}

function tell(queue: usize): void {
  atomic.add<i32>(queue + EVENTS, 1);
  atomic.notify(queue + EVENTS, -1);
}

function slotOf(queue: usize, job: i32): usize {
  return queue + SLOTS + <usize>(job & (QUEUE - 1)) * SLOT;
}

/** The first of a thread's chunks. */
function firstOf(slot: usize, thread: i32): i32 {
  return (load<i32>(slot + CHUNKS) * thread) / load<i32>(slot + THREADS);
}

/** @returns whether there were any */
function takeChunks(queue: usize, thread: i32): bool {
  const job = done(queue);
  if (job === atomic.load<i32>(queue + GIVEN)) return false;
  const threads = load<i32>(slotOf(queue, job) + THREADS);
  if (thread >= threads) return false;
  let taken = false;
  for (let i = 0; i < threads; i++) {
    while (takeChunk(queue, job, (thread + i) % threads, thread)) taken = true;
  }
  return taken;
}

/**
 * That a chunk may be taken is known from the one number alone, so that who comes late, when another job stands in the
 * slot, takes none of a job whose turn it may not be: only then it looks at the rest.
 *
 * @returns whether there was one
 */
function takeChunk(queue: usize, job: i32, owner: i32, thread: i32): bool {
  const slot = slotOf(queue, job);
  const count = slot + LEFT + <usize>owner * LINE;
  const left = atomic.load<i64>(count);
  if (<i32>(left >> 32) !== job || <i32>left === 0) return false;
  if (atomic.cmpxchg<i64>(count, left, left - 1) !== left) return true;
  const chunks = load<i32>(slot + CHUNKS); // Before this one is done: then it may be another job's slot.
  compute(load<i32>(slot + KIND), slot, firstOf(slot, owner) + <i32>left - 1, thread);
  if (atomic.add<i32>(slot + CHUNKS_DONE, 1) + 1 === chunks) {
    atomic.store<i32>(queue + DONE, job + 1);
    tell(queue);
  }
  return true;
}
