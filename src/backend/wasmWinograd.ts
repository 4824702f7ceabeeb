import type * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { rowsPerChunk } from './wasmKernel';
import { COLUMNS, GAP, Job, LINE_BYTES, ROWS, SUMS_BYTES, WinogradAt, WinogradFilterAt } from './wasmLayout';
import { placed, type WasmPool } from './wasmPool';

/** The operands of a 3x3 convolution and its result, which has x's height and width. */
export interface Convolution {
  readonly x: tf.TensorInfo;
  readonly filter: tf.TensorInfo;
  readonly bias: tf.TensorInfo;
  readonly out: tf.TensorInfo;
}

/**
 * With fewer tiles per picture, transforming the filter, which every call repeats, does not pay off. It is counted per
 * picture because a picture's numbers must be identical to the last bit, whichever others are computed with it
 * (src/recording).
 */
const LEAST_TILES = 16;
/**
 * The tiles computed together, if there are enough for all threads: with fewer, the whole filter would be read for
 * fewer products.
 */
const MOST_TILES = 32;

/** The number of tiles in one picture. */
const tilesOf = ([, height, width]: readonly number[]): number => Math.ceil(height / 2) * Math.ceil(width / 2);

/** Whether {@link winograd} can do a convolution with stride 1 and padding 1, faster than as a product. */
export function paysWinograd(x: tf.TensorInfo, filter: tf.TensorInfo): boolean {
  const [height, width, channels, columns] = filter.shape;
  return (
    height === 3 &&
    width === 3 &&
    channels % 4 === 0 &&
    columns % COLUMNS === 0 &&
    channels >= 32 &&
    columns >= 32 &&
    tilesOf(x.shape) >= LEAST_TILES
  );
}

/** A 3x3 convolution with stride 1, using fewer multiplications (wasm/winograd.ts). */
export function winograd(backend: BackendWasm, pool: WasmPool, { x, filter, bias, out }: Convolution): void {
  const [rows, height, width, channels] = x.shape;
  const columns = filter.shape[3];
  const tiles = rows * tilesOf(x.shape);
  const each = ROWS * Math.max(1, Math.floor(Math.min(MOST_TILES, tiles / pool.threads) / ROWS));
  const transformed = backend.makeOutput([16, channels * columns + GAP / 4], 'float32');
  const filters = pool.address(transformed);

  const zeros = 4 * channels;
  const bytes = SUMS_BYTES + 2 * LINE_BYTES + 16 * (4 * each * channels + GAP + each * LINE_BYTES + GAP);
  const scratch = pool.reserve(zeros + pool.threads * bytes, zeros);
  const inputs = rowsPerChunk(channels, 9 * columns, pool.threads);
  const sizes = { inputs: channels, outputs: columns, scratch: scratch + zeros, scratchBytes: bytes };
  const filterOf = placed(WinogradFilterAt, {
    ...sizes,
    filter: pool.address(filter),
    to: filters,
    inputsPerChunk: inputs,
  });
  pool.run(Job.winogradFilter, Math.ceil(channels / inputs), filterOf, 32 * channels * columns);
  const parameters = placed(WinogradAt, {
    ...sizes,
    x: pool.address(x),
    bias: pool.address(bias),
    out: pool.address(out),
    zeros: scratch,
    filter: filters,
    height,
    width,
    tiles,
    tilesPerChunk: each,
  });
  pool.run(Job.winograd, Math.ceil(tiles / each), parameters, 16 * tiles * channels * columns);
  pool.release(scratch);
  backend.disposeData(transformed.dataId);
}
