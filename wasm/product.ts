/**
 * Products and convolutions, out = A B + bias, where B's rows are as many as there are taps times the inner size. A's
 * rows are those of matrices, one after the other, or for a convolution given as a table: the addresses of the pixels
 * under each tap of the filter.
 */
import { address, integer } from './pool';
import { BLOCKS, COLUMNS, ROWS } from '../src/backend/wasmLayout';
import { LINE_BYTES, TILE_BYTES, storePart, tile } from './tile';

/**
 * The table of A's rows, in blocks of ROWS: taps x ROWS addresses a block. A last block that lacks rows repeats the
 * last one. Parameters: table, x, zeros, blocks, blocks a matrix, rows a matrix, height, width, bytes a pixel, pixels
 * of a result, width of a result, filter's height, filter's width, stride, zeros above, zeros left.
 */
export function rowTable(slot: usize, chunk: i32): void {
  const perMatrix = integer(slot, 4), rows = integer(slot, 5);
  const pixels = integer(slot, 9), width = integer(slot, 10), stride = integer(slot, 13);
  const taps = integer(slot, 11) * integer(slot, 12);
  for (let block = chunk * BLOCKS, end = min(block + BLOCKS, integer(slot, 3)); block < end; block++) {
    const matrix = block / perMatrix;
    const table = address(slot, 0) + <usize>block * <usize>(taps * ROWS) * 4;
    for (let i = 0; i < ROWS; i++) {
      const row = matrix * rows + min((block % perMatrix) * ROWS + i, rows - 1);
      const pixel = row % pixels;
      const top = (pixel / width) * stride - integer(slot, 14);
      const left = (pixel % width) * stride - integer(slot, 15);
      tapAddresses(slot, row / pixels, top, left, table + (<usize>i << 2));
    }
  }
}

/** Where the pixels under the filter are, or zeros where it reaches beyond the picture. */
function tapAddresses(slot: usize, picture: i32, top: i32, left: i32, table: usize): void {
  const x = address(slot, 1), zeros = address(slot, 2);
  const height = integer(slot, 6), width = integer(slot, 7), bytes = address(slot, 8);
  for (let y = top, bottom = top + integer(slot, 11); y < bottom; y++) {
    const line = x + <usize>((picture * height + y) * width) * bytes;
    for (let at = left, right = left + integer(slot, 12); at < right; at++) {
      const inside = y >= 0 && y < height && at >= 0 && at < width;
      store<u32>(table, <u32>(inside ? line + <usize>at * bytes : zeros));
      table += 4 * ROWS;
    }
  }
}

/**
 * COLUMNS columns of one matrix's result, for a part of its rows. Parameters: table or 0, taps, inner, b, bytes from
 * row to row of b, bytes from matrix to matrix of b, whether b is transposed, bias or 0, out, columns, rows a matrix,
 * blocks a matrix, panels, parts, scratch, its bytes a thread, A where there is no table.
 */
export function product(slot: usize, chunk: i32, thread: i32): void {
  const taps = integer(slot, 1), inner = integer(slot, 2);
  const columns = integer(slot, 9), rows = integer(slot, 10), blocks = integer(slot, 11);
  const panels = integer(slot, 12), parts = integer(slot, 13);
  const part = (chunk / panels) % parts, matrix = chunk / (parts * panels);
  const column = (chunk % panels) * COLUMNS;
  const width = min(COLUMNS, columns - column);
  const partial = address(slot, 14) + <usize>thread * address(slot, 15);
  const bias = partial + TILE_BYTES, addresses = bias + LINE_BYTES, panel = addresses + LINE_BYTES;

  packPanel(address(slot, 3) + <usize>matrix * address(slot, 5), address(slot, 4), column, width, taps * inner, integer(slot, 6) !== 0, panel);
  memory.fill(bias, 0, LINE_BYTES);
  if (address(slot, 7)) memory.copy(bias, address(slot, 7) + (<usize>column << 2), <usize>width << 2);

  const stride = <usize>columns << 2;
  const out = address(slot, 8) + <usize>(matrix * rows) * stride + (<usize>column << 2);
  for (let block = (blocks * part) / parts, end = (blocks * (part + 1)) / parts; block < end; block++) {
    let table = addresses;
    if (address(slot, 0)) table = address(slot, 0) + <usize>(matrix * blocks + block) * <usize>(taps * ROWS) * 4;
    else rowAddresses(address(slot, 16) + <usize>(matrix * rows) * (<usize>inner << 2), block, rows, <usize>inner << 2, table);
    const to = out + <usize>(block * ROWS) * stride;
    const height = min(ROWS, rows - block * ROWS);
    if (height === ROWS && width === COLUMNS) {
      tile(table, taps, inner, panel, bias, to, stride);
    } else {
      tile(table, taps, inner, panel, bias, partial, LINE_BYTES);
      storePart(partial, height, width, to, stride);
    }
  }
}

/** A block's rows in a matrix. */
// @ts-ignore: decorator
@inline
function rowAddresses(matrix: usize, block: i32, rows: i32, bytes: usize, table: usize): void {
  for (let i = 0; i < ROWS; i++) store<u32>(table + (<usize>i << 2), <u32>(matrix + <usize>min(block * ROWS + i, rows - 1) * bytes));
}

/**
 * Lays out some columns of b as `tile` takes them, with zeros for those that lack. @param stride bytes from row to row
 * of b as it lies
 */
export function packPanel(b: usize, stride: usize, column: i32, width: i32, inner: i32, transposed: bool, panel: usize): void {
  if (!transposed && width === COLUMNS) {
    b += <usize>column << 2;
    for (const end = panel + <usize>inner * LINE_BYTES; panel < end; panel += LINE_BYTES) {
      v128.store(panel, v128.load(b));
      v128.store(panel, v128.load(b, 16), 16);
      b += stride;
    }
    return;
  }
  memory.fill(panel, 0, <usize>inner * LINE_BYTES);
  const along: usize = transposed ? 4 : stride, across: usize = transposed ? stride : 4;
  for (let j = 0; j < width; j++) {
    let from = b + <usize>(column + j) * across;
    for (let to = panel + (<usize>j << 2), end = to + <usize>inner * LINE_BYTES; to < end; to += LINE_BYTES) {
      store<f32>(to, load<f32>(from));
      from += along;
    }
  }
}
