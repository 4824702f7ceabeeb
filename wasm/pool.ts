/**
 * Distributes work over several threads. Jobs wait in a queue, and each begins when the one before is done. A job is
 * divided into chunks, and these among the threads in order, so that the same place in the tensors of successive layers
 * stays in the same processor's cache. A thread that has finished its own chunks takes those of others. So jobs
 * complete without the helpers too, only later: nothing waits for a helper that has not started. And the helpers work
 * through the queue without the thread that dispatches the jobs, which is busy with other things in between.
 *
 * Everything is in shared memory: some counters, and a slot for each queued job. Jobs are numbered from 0.
 */
import { compute } from './jobs';

/**
 * Counters, each in its own cache line: how often a job was dispatched or completed, how many are completed, and how
 * many were dispatched.
 */
const EVENTS: usize = 0;
const DONE: usize = 64;
const GIVEN: usize = 128;
const SLOTS: usize = 192;

/** The capacity of the queue, a power of 2; the bytes of a slot, and of the whole queue. */
export const QUEUE: i32 = 64;
const SLOT: usize = 1024;
export const QUEUE_BYTES: i32 = <i32>(SLOTS + <usize>QUEUE * SLOT);

/**
 * In a slot, for each thread in its own cache line: the job's number in the upper half, and the number of the thread's
 * chunks left to take in the lower half.
 */
const LEFT: usize = 0;
const LINE: usize = 64;
/** The number of chunks completed. */
const CHUNKS_DONE: usize = 512;
const KIND: usize = 576;
const CHUNKS: usize = 580;
/** The number of threads the chunks are divided among, at most 8; no others take any. */
const THREADS: usize = 584;
const PARAMETERS: usize = 588;

/**
 * How often a thread polls in vain before it sleeps, about a millisecond: waking it takes longer than the time between
 * two jobs of a network. It sleeps in JavaScript, because when sleeping in WebAssembly, V8 11.3 (Node 20) loses the
 * function's variables.
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

/** The number of jobs completed. */
export function done(queue: usize): i32 {
  return atomic.load<i32>(queue + DONE);
}

/** The address for the next job's parameters. There must be room in the queue: the slot's earlier job must be done. */
export function parameters(queue: usize): usize {
  return slotOf(queue, load<i32>(queue + GIVEN)) + PARAMETERS;
}

/** Dispatches a job whose parameters are already written. */
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
 * For the dispatching thread: does its share of all jobs before this one.
 *
 * @returns whether they are done; if not, sleep until the next event
 */
export function finish(queue: usize, job: i32): bool {
  let looks = LOOKS;
  while (done(queue) - job < 0) {
    if (takeChunks(queue, 0)) looks = LOOKS;
    else if (--looks < 0) return false;
  }
  return true;
}

/** Does a helper's share of the jobs. Afterwards it should sleep until the next event. @param thread from 1 */
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

/** @returns whether there were any to take */
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
 * Whether a chunk may be taken is decided by a single number, so that a late thread does not take a chunk of another
 * job, now in the slot, before its turn; the rest of the slot is read only afterwards.
 *
 * @returns whether there was one
 */
function takeChunk(queue: usize, job: i32, owner: i32, thread: i32): bool {
  const slot = slotOf(queue, job);
  const count = slot + LEFT + <usize>owner * LINE;
  const left = atomic.load<i64>(count);
  if (<i32>(left >> 32) !== job || <i32>left === 0) return false;
  if (atomic.cmpxchg<i64>(count, left, left - 1) !== left) return true;
  const chunks = load<i32>(slot + CHUNKS); // Read before this chunk is completed: after that, the slot may be another job's.
  compute(load<i32>(slot + KIND), slot, firstOf(slot, owner) + <i32>left - 1, thread);
  if (atomic.add<i32>(slot + CHUNKS_DONE, 1) + 1 === chunks) {
    atomic.store<i32>(queue + DONE, job + 1);
    tell(queue);
  }
  return true;
}
