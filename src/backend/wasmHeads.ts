import type * as tf from '@tensorflow/tfjs';
import type { WasmKernel } from './wasmKernel';
import { Job, MoveHeadsAt } from './wasmLayout';
import { placed, type WasmPool } from './wasmPool';

/**
 * For `splitHeads` (src/attention/scaledDotProduct.ts): takes one of the tensors side by side in [rows, tokens, parts x
 * heads x headSize].
 */
export const splitHeads: WasmKernel = ({ inputs: { x }, attrs: { heads, part, parts }, backend, pool }) => {
  const [rows, tokens, features] = x.shape;
  const headSize = features / parts / heads;
  const out = backend.makeOutput([rows, heads, tokens, headSize], 'float32');
  const from = {
    address: pool.address(x) + 4 * part * heads * headSize,
    steps: [tokens * features, headSize, features],
  };
  move(pool, out.shape, from, { address: pool.address(out), steps: headsFirst(out) });
  return out;
};

/** For `mergeHeads`. */
export const mergeHeads: WasmKernel = ({ inputs: { x }, backend, pool }) => {
  const [rows, heads, tokens, headSize] = x.shape;
  const inner = heads * headSize;
  const out = backend.makeOutput([rows, tokens, inner], 'float32');
  move(
    pool,
    x.shape,
    { address: pool.address(x), steps: headsFirst(x) },
    { address: pool.address(out), steps: [tokens * inner, headSize, inner] },
  );
  return out;
};

/** An address, and the strides in numbers to the next row, head and token. */
export interface StridedPlace {
  readonly address: number;
  readonly steps: readonly number[];
}

function headsFirst({ shape: [, heads, tokens, headSize] }: tf.TensorInfo): number[] {
  return [heads * tokens * headSize, tokens * headSize, headSize];
}

/** Copies a tensor's numbers from one place to another. */
export function move(
  pool: WasmPool,
  [rows, heads, tokens, headSize]: readonly number[],
  from: StridedPlace,
  to: StridedPlace,
): void {
  const [[xRow, xHead, xToken], [outRow, outHead, outToken]] = [from, to].map(({ steps }) =>
    steps.map((step) => 4 * step),
  );
  const parameters = placed(MoveHeadsAt, {
    x: from.address,
    out: to.address,
    heads,
    tokens,
    bytes: 4 * headSize,
    xRow,
    xHead,
    xToken,
    outRow,
    outHead,
    outToken,
  });
  pool.run(Job.moveHeads, rows * heads, parameters, 2 * rows * heads * tokens * headSize);
}
