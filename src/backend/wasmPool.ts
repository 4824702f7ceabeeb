import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs';
import { WASM_BINARY } from './wasmBinary';

/**
 * Kernels of our own for tfjs's wasm backend, and who runs them.
 *
 * tfjs's kernels leave all but products and convolutions to one thread, and take a pass over memory for every addition. The folder `wasm/`
 * has kernels in AssemblyScript that do in one pass what a layer does. They work in tfjs's own memory, so nothing is copied. Where that memory
 * is shared, other threads help: see `wasm/pool.ts` for how they divide the work, and src/node/wasmHelpers.ts for who starts them.
 */
export class WasmPool {
  private static readonly pools = new WeakMap<BackendWasm, WasmPool>();

  /** What a helper needs besides the module: where the jobs are described. */
  readonly control: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  private readonly tfjs: TfjsModule;
  private readonly exports: PoolExports;
  private helpers = 0;
  /** The next job's, and that of the job before it, which may not be finished yet. */
  private scratch = [{ address: 0, bytes: 0 }, { address: 0, bytes: 0 }];
  /** Whether a job has begun that is not finished. */
  private isPending = false;
  /** Memory that it may still read, and that is nobody's after it. */
  private readonly freed: number[] = [];

  private constructor(private readonly backend: BackendWasm) {
    this.tfjs = backend.wasm as unknown as TfjsModule;
    this.memory = this.tfjs.wasmMemory ?? this.tfjs.asm.memory;
    this.module = compiled(isShared(this.memory));
    this.exports = new WebAssembly.Instance(this.module, { env: { memory: this.memory } }).exports as unknown as PoolExports;
    this.control = this.tfjs._malloc(CONTROL_BYTES);
    this.tfjs.HEAP32.fill(0, this.control >>> 2, (this.control + CONTROL_BYTES) >>> 2);

    // What a job reads is nobody else's, and what it writes is read by nobody, before it is finished. (At its first call the loader's `_free` puts
    // another in its place.)
    this.tfjs._free(this.tfjs._malloc(1));
    const free = this.tfjs._free.bind(this.tfjs), read = backend.readSync.bind(backend);
    this.tfjs._free = (address) => { if (this.isPending) this.freed.push(address); else free(address); };
    backend.readSync = (...what) => {
      this.settle();
      return read(...what);
    };
  }

  /** @throws where the runtime lacks SIMD, threads or this tfjs's memory: see `hasWasmKernels` */
  static of(backend: BackendWasm): WasmPool {
    let pool = this.pools.get(backend);
    if (!pool) this.pools.set(backend, (pool = new WasmPool(backend)));
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

  /** From now on so many other threads take part; each of them runs the module's `help`, and may begin when it likes. */
  setHelpers(count: number): void {
    this.helpers = count;
  }

  /** Where a tensor's numbers lie, in bytes. */
  address(tensor: TensorInfo): number {
    return this.backend.getMemoryOffset(tensor.dataId);
  }

  /** Memory to work in, for jobs that are run before anybody asks for some again. The first `zeros` bytes are 0. */
  reserve(bytes: number, zeros = 0): number {
    const scratch = this.scratch.shift()!;
    this.scratch.push(scratch);
    if (bytes > scratch.bytes) {
      if (scratch.bytes > 0) this.tfjs._free(scratch.address);
      scratch.address = this.tfjs._malloc(bytes);
      scratch.bytes = bytes;
    }
    const { address } = scratch;
    if (zeros > 0) this.tfjs.HEAP32.fill(0, address >>> 2, (address + zeros) >>> 2);
    return address;
  }

  /**
   * Has a job done. Where others help it has only begun then, and is finished before whatever looks at memory next ({@link settle}): while JavaScript
   * finds out what the next job is, they are not idle.
   *
   * @param parameters as wasm/ has them for this kind of job; of a float its {@link bitsOf}
   * @param operations about how many there are: for a few nobody is woken
   */
  run(job: Job, chunks: number, parameters: readonly number[], operations: number): void {
    this.settle();
    if (chunks === 0) return;
    this.tfjs.HEAP32.set(parameters, (this.control + PARAMETERS) >>> 2);
    const helpers = chunks === 1 || operations < WORTH_WAKING ? 0 : this.helpers;
    this.exports.start(this.control, JOBS.indexOf(job), chunks, helpers);
    if (helpers > 0) this.isPending = true;
    else this.exports.finish(this.control);
  }

  /** Finishes the job that has begun, if any. Who reads or writes tensors' memory by other means than jobs calls it first. */
  settle(): void {
    if (!this.isPending) return;
    this.exports.finish(this.control);
    this.isPending = false;
    for (const address of this.freed.splice(0)) this.tfjs._free(address);
  }
}

/** In the order of the numbers in wasm/jobs.ts. */
const JOBS = ['rowTable', 'product', 'attention', 'groupNorm', 'layerNorm', 'softmax', 'geglu', 'silu', 'add', 'moveHeads', 'winogradFilter', 'winograd'] as const;
export type Job = (typeof JOBS)[number];

/** Of the block that describes a job, and where its parameters start (wasm/pool.ts). */
const CONTROL_BYTES = 1024;
const PARAMETERS = 652;

/** Fewer operations take one thread less time than it takes to hand half of them over. */
const WORTH_WAKING = 50_000;

/** The part of tfjs's emscripten module that is needed. With threads the memory is made outside of it. */
interface TfjsModule {
  readonly HEAP32: Int32Array;
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm: { readonly memory: WebAssembly.Memory };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

interface PoolExports {
  start(control: number, kind: number, chunks: number, helpers: number): void;
  finish(control: number): void;
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

const modules = new Map<boolean, WebAssembly.Module>();

function compiled(shared: boolean): WebAssembly.Module {
  let module = modules.get(shared);
  if (!module) modules.set(shared, (module = new WebAssembly.Module(bytesOf(shared ? WASM_BINARY.shared : WASM_BINARY.plain))));
  return module;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && (memory.buffer as ArrayBufferLike) instanceof SharedArrayBuffer;
}
