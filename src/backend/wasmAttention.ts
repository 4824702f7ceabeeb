import type { WasmKernel } from './wasmKernel';
import { AttentionAt, COLUMNS, Job, LINE_BYTES, ROWS, TILE_BYTES } from './wasmLayout';
import { bitsOf, placed, type WasmPool } from './wasmPool';

/**
 * A tensor [rows, heads, tokens, headSize] in memory: its address, and the strides in numbers to the next row, head and
 * token.
 */
interface Heads {
  readonly address: number;
  readonly steps: readonly [row: number, head: number, token: number];
}

interface Sizes {
  readonly rows: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly headSize: number;
  /** 1 if a query attends to no keys after it, else 0. */
  readonly causal: number;
}

/** softmax(Q K^T / sqrt(headSize)) V, for `scaledDotProduct` (src/attention/scaledDotProduct.ts). */
export const attention: WasmKernel = ({ inputs: { q, k, v }, backend, pool }) => {
  const [rows, heads, queries, headSize] = q.shape;
  const keys = k.shape[2];
  const out = backend.makeOutput(q.shape, 'float32');
  const headsFirst = (tensor: typeof q, tokens: number): Heads => ({
    address: pool.address(tensor),
    steps: [heads * tokens * headSize, tokens * headSize, headSize],
  });
  attend(pool, { rows, heads, queries, keys, headSize, causal: 0 }, [
    headsFirst(q, queries),
    headsFirst(k, keys),
    headsFirst(v, keys),
    headsFirst(out, queries),
  ]);
  return out;
};

/** The same for queries, keys and values side by side, for `selfAttention`. */
export const selfAttention: WasmKernel = ({ inputs: { qkv }, attrs: { heads, causal }, backend, pool }) => {
  const [rows, tokens, features] = qkv.shape;
  const inner = features / 3;
  const headSize = inner / heads;
  const out = backend.makeOutput([rows, tokens, inner], 'float32');
  const part = (i: number): Heads => ({
    address: pool.address(qkv) + 4 * i * inner,
    steps: [tokens * features, headSize, features],
  });
  attend(pool, { rows, heads, queries: tokens, keys: tokens, headSize, causal }, [
    part(0),
    part(1),
    part(2),
    { address: pool.address(out), steps: [tokens * inner, headSize, inner] },
  ]);
  return out;
};

/** @param tensors q, k, v and the result */
function attend(
  pool: WasmPool,
  { rows, heads, queries, keys, headSize, causal }: Sizes,
  tensors: readonly Heads[],
): void {
  const keyPanels = Math.ceil(keys / COLUMNS);
  const valuePanels = Math.ceil(headSize / COLUMNS);
  const packed = LINE_BYTES * (keyPanels * headSize + valuePanels * keys);
  const each = TILE_BYTES + 2 * LINE_BYTES + 4 * ROWS * headSize + packed + ROWS * keyPanels * LINE_BYTES;
  // Each part of a head's queries packs the keys and values again, so there are no more parts than useful.
  const parts = Math.min(Math.ceil(queries / ROWS), Math.ceil((4 * (pool.threads - 1)) / (rows * heads))) || 1;
  const scratch = pool.reserve(pool.threads * each);
  const [q, k, v, out] = tensors.map(({ address }) => address);
  const [[qRow, qHead, qToken], [kRow, kHead, kToken], [vRow, vHead, vToken], [outRow, outHead, outToken]] =
    tensors.map(({ steps }) => steps.map((step) => 4 * step));
  const parameters = placed(AttentionAt, {
    q,
    k,
    v,
    out,
    heads,
    queries,
    keys,
    headSize,
    parts,
    scale: bitsOf(headSize ** -0.5),
    scratch,
    scratchBytes: each,
    qRow,
    qHead,
    qToken,
    kRow,
    kHead,
    kToken,
    vRow,
    vHead,
    vToken,
    outRow,
    outHead,
    outToken,
    causal,
  });
  pool.run(Job.attention, rows * heads * parts, parameters, 2 * rows * heads * queries * keys * headSize);
  pool.release(scratch);
}
