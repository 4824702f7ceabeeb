import { address, float, integer } from './pool';
import { packPanel } from './product';
import { read, write } from './vector';
import { softmaxOf } from './softmax';
import { COLUMNS, ROWS } from '../src/backend/wasmLayout';
import { LINE_BYTES, TILE_BYTES, storePart, tile } from './tile';

/**
 * softmax(scale Q K^T) V for some queries of one head of one row: never more than ROWS queries' probabilities exist.
 * Every number is rounded as when the three steps are taken one by one, so that it does not matter to a result who
 * looks at which site. Parameters: q, k, v, out, heads, queries, keys, head size, parts, scale, scratch, its bytes a
 * thread; then for each of q, k, v and out the bytes from row to row, from head to head, from token to token; and
 * whether a query sees no key after it.
 */
export function attention(slot: usize, chunk: i32, thread: i32): void {
  const queries = integer(slot, 5), keys = integer(slot, 6), size = integer(slot, 7), parts = integer(slot, 8);
  const keyPanels = (keys + COLUMNS - 1) / COLUMNS, valuePanels = (size + COLUMNS - 1) / COLUMNS;
  const keyPanel = <usize>size * LINE_BYTES, valuePanel = <usize>keys * LINE_BYTES;
  const partial = address(slot, 10) + <usize>thread * address(slot, 11);
  const zeros = partial + TILE_BYTES, rows = zeros + LINE_BYTES, scaled = rows + LINE_BYTES;
  const packedK = scaled + <usize>(ROWS * size) * 4;
  const packedV = packedK + <usize>keyPanels * keyPanel, scores = packedV + <usize>valuePanels * valuePanel;
  const scoreStride = <usize>keyPanels * LINE_BYTES;
  memory.fill(zeros, 0, LINE_BYTES);

  const head = chunk / parts, causal = integer(slot, 24) != 0;
  const q = headOf(slot, 0, head), k = headOf(slot, 1, head), v = headOf(slot, 2, head), out = headOf(slot, 3, head);
  const qStride = tokenBytes(slot, 0), kStride = tokenBytes(slot, 1), vStride = tokenBytes(slot, 2), outStride = tokenBytes(slot, 3);
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
      scaleTo(query, q + <usize>min(first + i, queries - 1) * qStride, float(slot, 9), <usize>size << 2);
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

/** Where one of the tensors has a head of a row. @param tensor 0 q, 1 k, 2 v, 3 out */
function headOf(slot: usize, tensor: i32, head: i32): usize {
  const heads = integer(slot, 4);
  return address(slot, tensor) + <usize>(head / heads) * address(slot, 12 + 3 * tensor) + <usize>(head % heads) * address(slot, 13 + 3 * tensor);
}

function tokenBytes(slot: usize, tensor: i32): usize {
  return address(slot, 14 + 3 * tensor);
}
