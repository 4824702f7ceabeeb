import type { TensorInfo } from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { WASM_BINARY } from './wasmBinary';
import type { Job } from './wasmLayout';

/**
 * Kernels of our own for tfjs's wasm backend, and who runs them.
 *
 * tfjs's kernels leave all but products and convolutions to one thread, and take a pass over memory for every addition.
 * The folder `wasm/` has kernels in AssemblyScript that do in one pass what a layer does. They work in tfjs's own
 * memory, so nothing is copied. Where that memory is shared, other threads help: see `wasm/pool.ts` for how they divide
 * the work, and src/backend/wasmHelp.ts for who starts them.
 */
export class WasmPool {
  private static readonly pools = new WeakMap<BackendWasm, WasmPool>();

  /** What a helper needs besides the module: where the queue of jobs is. */
  readonly queue: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  private readonly tfjs: TfjsModule;
  private readonly exports: PoolExports;
  private readonly free: (address: number) => void;
  private helpers = 0;
  /** How many jobs have been given out. */
  private given = 0;
  /** Those of them that may not be done yet, in order. */
  private readonly pending: PendingJob[] = [];

  private constructor(private readonly backend: BackendWasm) {
    this.tfjs = backend.wasm as unknown as TfjsModule;
    this.memory = this.tfjs.wasmMemory ?? this.tfjs.asm.memory;
    this.module = compiled(isShared(this.memory));
    this.exports = new WebAssembly.Instance(this.module, { env: { memory: this.memory } })
      .exports as unknown as PoolExports;
    const bytes = this.exports.QUEUE_BYTES.value;
    this.queue = this.reserve(bytes, bytes);

    // What a job reads is nobody else's, and what it writes is read by nobody, before it is done. (At its first call
    // the loader's `_free` puts another in its place.)
    this.tfjs._free(this.tfjs._malloc(1));
    this.free = this.tfjs._free.bind(this.tfjs);
    const read = backend.readSync.bind(backend);
    this.tfjs._free = (address) => this.release(address);
    backend.readSync = (...what) => {
      this.settle();
      return read(...what);
    };
  }

  /** @throws where the runtime lacks SIMD, threads or this tfjs's memory: see `hasWasmKernels` */
  static of(backend: BackendWasm): WasmPool {
    let pool = WasmPool.pools.get(backend);
    if (!pool) WasmPool.pools.set(backend, (pool = new WasmPool(backend)));
    return pool;
  }

  /** How many threads there are, this one included. */
  get threads(): number {
    return 1 + this.helpers;
  }

  /** Whether other threads can help at all. */
  get isShared(): boolean {
    return isShared(this.memory);
  }

  /**
   * From now on so many other threads take part; each of them runs the module's `help`, and may begin when it likes.
   */
  setHelpers(count: number): void {
    this.helpers = count;
  }

  /** Where a tensor's numbers lie, in bytes. */
  address(tensor: TensorInfo): number {
    return this.backend.getMemoryOffset(tensor.dataId);
  }

  /** Memory for jobs to work in; {@link release} it once they have been given out. The first `zeros` bytes are 0. */
  reserve(bytes: number, zeros = 0): number {
    const address = this.tfjs._malloc(bytes);
    if (zeros > 0) this.tfjs.HEAP32.fill(0, address >>> 2, (address + zeros) >>> 2);
    return address;
  }

  /** Memory that is nobody's any more, once the jobs that have been given out are done. */
  release(address: number): void {
    if (this.pending.length > 0) this.pending[this.pending.length - 1].freed.push(address);
    else this.free(address);
  }

  /**
   * Has a job done. Where others help it is only given out then, and done before whatever looks at memory next ({@link
   * settle}): while JavaScript finds out what the next jobs are, they are not idle.
   *
   * @param parameters {@link placed} as this kind of job has them
   * @param operations about how many there are
   */
  run(job: Job, chunks: number, parameters: readonly number[], operations: number): void {
    if (chunks === 0) return;
    this.forgetDone();
    while (this.pending.length === this.exports.QUEUE.value || this.ahead() > AHEAD) this.finish(1);
    this.tfjs.HEAP32.set(parameters, this.exports.parameters(this.queue) >>> 2);
    this.exports.give(this.queue, job, chunks, this.threads);
    this.given = (this.given + 1) | 0; // As in wasm.
    this.pending.push({ operations, freed: [] });
    if (this.helpers === 0) this.settle();
  }

  /**
   * Finishes the jobs that have been given out, if any. Who reads or writes tensors' memory by other means than jobs
   * calls it first.
   */
  settle(): void {
    this.finish(this.pending.length);
  }

  /** Finishes so many of the jobs that are pending, the first ones. */
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

  /** What the jobs that are done had kept from being freed is free now. */
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
  /** Memory that it or one before it may still read, and that is nobody's after it. */
  readonly freed: number[];
}

/**
 * Some milliseconds' operations: with so many ahead of them the helpers need no more, and what waits to be freed is not
 * much.
 */
const AHEAD = 50_000_000;

/** The part of tfjs's emscripten module that is needed. With threads the memory is made outside of it. */
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

/** A float32 as the integer of the same bits. */
export function bitsOf(value: number): number {
  bits.float[0] = value;
  return bits.integer[0];
}

/**
 * A job's parameters in their places. @param places those of its kind, in wasmLayout.ts @param values of a float its
 * {@link bitsOf}
 */
export function placed<Places extends object>(
  places: Places,
  values: Readonly<Record<Extract<keyof Places, string>, number>>,
): number[] {
  // By the enum's names in order: hundreds of jobs are a step, and this takes a tenth of a microsecond.
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
