import type { TensorInfo } from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { WASM_BINARY } from './wasmBinary';
import type { Job } from './wasmLayout';

/**
 * Our kernels for tfjs's wasm backend, and the threads that run them.
 *
 * tfjs's kernels run everything but products and convolutions on one thread, and take a pass over memory for every
 * addition. The folder `wasm/` has kernels in AssemblyScript that compute a layer in one pass. They work in tfjs's own
 * memory, so nothing is copied. If that memory is shared, other threads help: wasm/pool.ts describes how they divide
 * the work, and src/backend/wasmHelp.ts starts them.
 */
export class WasmPool {
  private static readonly pools = new WeakMap<BackendWasm, WasmPool>();

  /** The address of the job queue, which a helper needs besides the module and the memory. */
  readonly queue: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  private readonly tfjs: TfjsModule;
  private readonly exports: PoolExports;
  private readonly free: (address: number) => void;
  private helpers = 0;
  /** The number of jobs queued so far. */
  private given = 0;
  /** The queued jobs that may not be done yet, in order. */
  private readonly pending: PendingJob[] = [];

  private constructor(private readonly backend: BackendWasm) {
    this.tfjs = backend.wasm as unknown as TfjsModule;
    this.memory = this.tfjs.wasmMemory ?? this.tfjs.asm.memory;
    this.module = compiled(isShared(this.memory));
    this.exports = new WebAssembly.Instance(this.module, { env: { memory: this.memory } })
      .exports as unknown as PoolExports;
    const bytes = this.exports.QUEUE_BYTES.value;
    this.queue = this.reserve(bytes, bytes);

    // Until a job is done, the memory it reads must not be freed, and the memory it writes must not be read. (The
    // loader's `_free` replaces itself at its first call, hence the call here.)
    this.tfjs._free(this.tfjs._malloc(1));
    this.free = this.tfjs._free.bind(this.tfjs);
    const read = backend.readSync.bind(backend);
    this.tfjs._free = (address) => this.release(address);
    backend.readSync = (...what) => {
      this.settle();
      return read(...what);
    };
  }

  /** @throws if the runtime lacks SIMD or threads, or this tfjs's memory is not found: see `hasWasmKernels` */
  static of(backend: BackendWasm): WasmPool {
    let pool = WasmPool.pools.get(backend);
    if (!pool) WasmPool.pools.set(backend, (pool = new WasmPool(backend)));
    return pool;
  }

  /** The number of threads, including this one. */
  get threads(): number {
    return 1 + this.helpers;
  }

  /** Whether other threads can help at all. */
  get isShared(): boolean {
    return isShared(this.memory);
  }

  /** From now on, `count` other threads take part. Each runs the module's `help`, and may start at any time. */
  setHelpers(count: number): void {
    this.helpers = count;
  }

  /** The byte address of a tensor's numbers. */
  address(tensor: TensorInfo): number {
    return this.backend.getMemoryOffset(tensor.dataId);
  }

  /** Reserves memory for jobs to work in; {@link release} it once they are queued. The first `zeros` bytes are 0. */
  reserve(bytes: number, zeros = 0): number {
    const address = this.tfjs._malloc(bytes);
    if (zeros > 0) this.tfjs.HEAP32.fill(0, address >>> 2, (address + zeros) >>> 2);
    return address;
  }

  /** Frees memory once the jobs queued so far are done. */
  release(address: number): void {
    if (this.pending.length > 0) this.pending[this.pending.length - 1].freed.push(address);
    else this.free(address);
  }

  /**
   * Runs a job. If there are helpers, it is only queued, and completed before anything reads memory ({@link settle}),
   * so that the helpers work while JavaScript prepares the next jobs.
   *
   * @param parameters the parameters for this kind of job, in order ({@link placed})
   * @param operations their approximate number
   */
  run(job: Job, chunks: number, parameters: readonly number[], operations: number): void {
    if (chunks === 0) return;
    this.forgetDone();
    while (this.pending.length === this.exports.QUEUE.value || this.ahead() > AHEAD) this.finish(1);
    this.tfjs.HEAP32.set(parameters, this.exports.parameters(this.queue) >>> 2);
    this.exports.give(this.queue, job, chunks, this.threads);
    this.given = (this.given + 1) | 0; // Wraps at 32 bits, as in wasm.
    this.pending.push({ operations, freed: [] });
    if (this.helpers === 0) this.settle();
  }

  /**
   * Waits for all queued jobs, and helps with them. Call it before reading or writing tensors' memory other than in
   * jobs.
   */
  settle(): void {
    this.finish(this.pending.length);
  }

  /** Finishes the first `count` pending jobs. */
  private finish(count: number): void {
    if (count === 0) return;
    const job = this.given - this.pending.length + count;
    for (let isDone = false; !isDone; ) {
      const { HEAP32 } = this.tfjs;
      const events = Atomics.load(HEAP32, this.queue >>> 2);
      isDone = this.exports.finish(this.queue, job) === 1;
      if (!isDone) Atomics.wait(HEAP32, this.queue >>> 2, events);
    }
    this.forgetDone();
  }

  /** Frees the memory that finished jobs were holding. */
  private forgetDone(): void {
    const undone = (this.given - this.exports.done(this.queue)) | 0;
    while (this.pending.length > undone) for (const address of this.pending.shift()!.freed) this.free(address);
  }

  private ahead(): number {
    let operations = 0;
    for (const job of this.pending) operations += job.operations;
    return operations;
  }
}

interface PendingJob {
  readonly operations: number;
  /** Memory that this or an earlier job may still read, to be freed after it. */
  readonly freed: number[];
}

/**
 * A few milliseconds' worth of operations: enough queued work for the helpers, while little memory waits to be freed.
 */
const AHEAD = 50_000_000;

/** The part of tfjs's emscripten module that is needed. With threads, the memory is created outside the module. */
interface TfjsModule {
  readonly HEAP32: Int32Array;
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm: { readonly memory: WebAssembly.Memory };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** See wasm/pool.ts. */
interface PoolExports {
  readonly QUEUE: { readonly value: number };
  readonly QUEUE_BYTES: { readonly value: number };
  done(queue: number): number;
  parameters(queue: number): number;
  give(queue: number, kind: number, chunks: number, threads: number): void;
  finish(queue: number, job: number): number;
}

/** Whether this runtime can run our kernels. */
export function hasWasmKernels(): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(bytesOf(WASM_BINARY.plain));
}

const float = new Float32Array(1);
const bits = { float, integer: new Int32Array(float.buffer) };

/** A float32 as the integer with the same bits. */
export function bitsOf(value: number): number {
  bits.float[0] = value;
  return bits.integer[0];
}

/**
 * A job's parameters in order.
 *
 * @param places the enum for its kind, in wasmLayout.ts
 * @param values by name, with floats as their {@link bitsOf}
 */
export function placed<Places extends object>(
  places: Places,
  values: Readonly<Record<Extract<keyof Places, string>, number>>,
): number[] {
  // Loops over the enum's names, which takes a tenth of a microsecond: a step has hundreds of jobs.
  const names = places as Readonly<Record<number, keyof typeof values>>;
  const list: number[] = [];
  for (let place = 0; names[place] !== undefined; place++) list.push(values[names[place]]);
  return list;
}

const modules = new Map<boolean, WebAssembly.Module>();

function compiled(shared: boolean): WebAssembly.Module {
  let module = modules.get(shared);
  if (!module)
    modules.set(shared, (module = new WebAssembly.Module(bytesOf(shared ? WASM_BINARY.shared : WASM_BINARY.plain))));
  return module;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && (memory.buffer as ArrayBufferLike) instanceof SharedArrayBuffer;
}
