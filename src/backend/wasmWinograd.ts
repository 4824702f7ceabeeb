import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs';
import type { WasmPool } from './wasmPool';
import { rowsPerChunk } from './wasmKernel';
import { multiply } from './wasmProduct';

/** Where the operands of a 3x3 convolution and its result, of x's height and width, lie. */
export interface Convolution {
  readonly x: tf.TensorInfo;
  readonly filter: tf.TensorInfo;
  readonly bias: tf.TensorInfo;
  readonly out: tf.TensorInfo;
}

/**
 * Fewer tiles a picture are not worth a transformation of the filter, which each call makes anew. Not of all pictures together: the numbers of one
 * are to be the same, to the last bit, whichever others are computed with it (src/recording).
 */
const LEAST_TILES = 16;
/** Numbers that are transformed at once: 16 MB. */
const AT_ONCE = 2 ** 22;
/** Between matrices, whose numbers are written side by side: a cache keeps few things that are a power of two apart. Of the others one tile more does it. */
const GAP = 64;
/** Of one thread's working memory (wasm/winograd.ts). */
const SCRATCH_BYTES = 512;

/** Of one picture. */
const tilesOf = ([, height, width]: readonly number[]): number => Math.ceil(height / 2) * Math.ceil(width / 2);

/** Whether a convolution of stride 1 with zeros around is one that {@link winograd} does, and faster than as a product. */
export function paysWinograd(x: tf.TensorInfo, filter: tf.TensorInfo): boolean {
  const [height, width, channels, columns] = filter.shape;
  return height === 3 && width === 3 && channels % 4 === 0 && columns % 4 === 0 && channels >= 32 && columns >= 32 && tilesOf(x.shape) >= LEAST_TILES;
}

/** A 3x3 convolution of stride 1 by fewer products (wasm/winograd.ts). */
export function winograd(backend: BackendWasm, pool: WasmPool, { x, filter, bias, out }: Convolution): void {
  const [rows, height, width, channels] = x.shape;
  const columns = filter.shape[3];
  const all = rows * tilesOf(x.shape);
  const parts = Math.ceil((16 * all * Math.max(channels, columns)) / AT_ONCE);
  const most = Math.ceil(all / parts);
  const [filters, pixels, products] = [[16, channels * columns + GAP], [16, most + 1, channels], [16, most + 1, columns]].map((shape) => backend.makeOutput(shape, 'float32'));
  const at = (tensor: tf.TensorInfo): number => pool.address(tensor);
  const zeros = 4 * channels;
  const scratch = (): number => pool.reserve(zeros + pool.threads * SCRATCH_BYTES, zeros);

  const inputs = rowsPerChunk(channels, 9 * columns, pool.threads);
  pool.run('winogradFilter', Math.ceil(channels / inputs), [at(filter), at(filters), channels, columns, channels * columns + GAP, inputs, scratch() + zeros], 32 * channels * columns);
  for (let first = 0; first < all; first += most) {
    const tiles = Math.min(most, all - first);
    const each = rowsPerChunk(tiles, 16 * Math.max(channels, columns), pool.threads);
    const work = scratch();
    pool.run('winogradPixels', Math.ceil(tiles / each), [at(x), work, at(pixels), height, width, channels, first, tiles, each, work + zeros], 32 * tiles * channels);
    multiply(pool, { address: at(pixels), matrices: 16, rows: tiles + 1, channels }, { b: at(filters), apart: channels * columns + GAP, columns, transposed: false, out: at(products) });
    pool.run('winogradResults', Math.ceil(tiles / each), [at(products), at(bias), at(out), height, width, columns, first, tiles, each, scratch() + zeros], 32 * tiles * columns);
  }
  for (const { dataId } of [filters, pixels, products]) backend.disposeData(dataId);
}
