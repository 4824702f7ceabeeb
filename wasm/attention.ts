import { address, float, integer } from './pool';
import { packPanel } from './product';
import { read, write } from './vector';
import { softmaxOf } from './softmax';
import { AttentionAt, COLUMNS, ROWS } from '../src/backend/wasmLayout';
import { LINE_BYTES, TILE_BYTES, storePart, tile } from './tile';

/**
 * softmax(scale Q K^T) V for some queries of one head of one row, holding the probabilities of at most ROWS queries.
 * Every number is rounded as if the three steps were done separately, so that a result does not depend on which sites a
 * controller looks into. If attention is causal, a query attends to no key after it.
 */
export function attention(slot: usize, chunk: i32, thread: i32): void {
  const queries = integer(slot, AttentionAt.queries), keys = integer(slot, AttentionAt.keys), size = integer(slot, AttentionAt.headSize), parts = integer(slot, AttentionAt.parts);
  const keyPanels = (keys + COLUMNS - 1) / COLUMNS, valuePanels = (size + COLUMNS - 1) / COLUMNS;
  const keyPanel = <usize>size * LINE_BYTES, valuePanel = <usize>keys * LINE_BYTES;
  const partial = address(slot, AttentionAt.scratch) + <usize>thread * address(slot, AttentionAt.scratchBytes);
  const zeros = partial + TILE_BYTES, rows = zeros + LINE_BYTES, scaled = rows + LINE_BYTES;
  const packedK = scaled + <usize>(ROWS * size) * 4;
  const packedV = packedK + <usize>keyPanels * keyPanel, scores = packedV + <usize>valuePanels * valuePanel;
  const scoreStride = <usize>keyPanels * LINE_BYTES;
  memory.fill(zeros, 0, LINE_BYTES);

  const head = chunk / parts, causal = integer(slot, AttentionAt.causal) != 0;
  const q = headOf(slot, AttentionAt.q, AttentionAt.qRow, head), k = headOf(slot, AttentionAt.k, AttentionAt.kRow, head), v = headOf(slot, AttentionAt.v, AttentionAt.vRow, head), out = headOf(slot, AttentionAt.out, AttentionAt.outRow, head);
  const qStride = address(slot, AttentionAt.qToken), kStride = address(slot, AttentionAt.kToken), vStride = address(slot, AttentionAt.vToken), outStride = address(slot, AttentionAt.outToken);
  for (let panel = 0; panel < keyPanels; panel++) {
    packPanel(k, kStride, panel * COLUMNS, min(COLUMNS, keys - panel * COLUMNS), size, true, packedK + <usize>panel * keyPanel);
  }
  for (let panel = 0; panel < valuePanels; panel++) {
    packPanel(v, vStride, panel * COLUMNS, min(COLUMNS, size - panel * COLUMNS), keys, false, packedV + <usize>panel * valuePanel);
  }

  const blocks = (queries + ROWS - 1) / ROWS, part = chunk % parts;
  for (let block = (blocks * part) / parts, end = (blocks * (part + 1)) / parts; block < end; block++) {
    const first = block * ROWS;
    for (let i = 0; i < ROWS; i++) {
      const query = scaled + <usize>(i * size) * 4;
      scaleTo(query, q + <usize>min(first + i, queries - 1) * qStride, float(slot, AttentionAt.scale), <usize>size << 2);
      store<u32>(rows + (<usize>i << 2), <u32>query);
    }
    for (let panel = 0; panel < keyPanels; panel++) {
      tile(rows, 1, size, packedK + <usize>panel * keyPanel, zeros, scores + <usize>panel * LINE_BYTES, scoreStride);
    }
    for (let i = 0; i < ROWS; i++) {
      const row = scores + <usize>i * scoreStride;
      const seen = causal ? min(first + i + 1, keys) : keys;
      softmaxOf(row, row, seen);
      memory.fill(row + (<usize>seen << 2), 0, <usize>(keys - seen) << 2);
      store<u32>(rows + (<usize>i << 2), <u32>row);
    }
    for (let panel = 0; panel < valuePanels; panel++) {
      tile(rows, 1, keys, packedV + <usize>panel * valuePanel, zeros, partial, LINE_BYTES);
      const to = out + <usize>first * outStride + <usize>panel * LINE_BYTES;
      storePart(partial, min(ROWS, queries - first), min(COLUMNS, size - panel * COLUMNS), to, outStride);
    }
  }
}

function scaleTo(to: usize, from: usize, scale: f32, bytes: usize): void {
  const scales = f32x4.splat(scale);
  for (let i: usize = 0; i < bytes; i += i + 16 <= bytes ? 16 : 4) write(to + i, f32x4.mul(read(from + i, i + 16 <= bytes), scales), i + 16 <= bytes);
}

/**
 * The address of a head of a row in a tensor.
 *
 * @param row the place of the parameter for the stride of rows; the next one is that of heads
 */
function headOf(slot: usize, tensor: i32, row: i32, head: i32): usize {
  const heads = integer(slot, AttentionAt.heads);
  return address(slot, tensor) + <usize>(head / heads) * address(slot, row) + <usize>(head % heads) * address(slot, row + 1);
}
