/**
 * Products and convolutions, out = A B + bias, where B has taps x inner size rows. A's rows are those of consecutive
 * matrices or, for a convolution, given by a table: the addresses of the pixels under each tap of the filter.
 */
import { address, integer } from './pool';
import { BLOCKS, COLUMNS, ProductAt, ROWS, RowTableAt } from '../src/backend/wasmLayout';
import { LINE_BYTES, TILE_BYTES, storePart, tile } from './tile';

/**
 * Writes the table of A's rows, in blocks of ROWS: taps x ROWS addresses per block. An incomplete last block repeats
 * the last row.
 */
export function rowTable(slot: usize, chunk: i32): void {
  const perMatrix = integer(slot, RowTableAt.blocksPerMatrix), rows = integer(slot, RowTableAt.rows);
  const pixels = integer(slot, RowTableAt.resultPixels), width = integer(slot, RowTableAt.resultWidth), stride = integer(slot, RowTableAt.stride);
  const taps = integer(slot, RowTableAt.filterHeight) * integer(slot, RowTableAt.filterWidth);
  for (let block = chunk * BLOCKS, end = min(block + BLOCKS, integer(slot, RowTableAt.blocks)); block < end; block++) {
    const matrix = block / perMatrix;
    const table = address(slot, RowTableAt.table) + <usize>block * <usize>(taps * ROWS) * 4;
    for (let i = 0; i < ROWS; i++) {
      const row = matrix * rows + min((block % perMatrix) * ROWS + i, rows - 1);
      const pixel = row % pixels;
      const top = (pixel / width) * stride - integer(slot, RowTableAt.above);
      const left = (pixel % width) * stride - integer(slot, RowTableAt.left);
      tapAddresses(slot, row / pixels, top, left, table + (<usize>i << 2));
    }
  }
}

/** The addresses of the pixels under the filter, or of zeros where it extends beyond the picture. */
function tapAddresses(slot: usize, picture: i32, top: i32, left: i32, table: usize): void {
  const x = address(slot, RowTableAt.x), zeros = address(slot, RowTableAt.zeros);
  const height = integer(slot, RowTableAt.height), width = integer(slot, RowTableAt.width), bytes = address(slot, RowTableAt.pixelBytes);
  for (let y = top, bottom = top + integer(slot, RowTableAt.filterHeight); y < bottom; y++) {
    const line = x + <usize>((picture * height + y) * width) * bytes;
    for (let at = left, right = left + integer(slot, RowTableAt.filterWidth); at < right; at++) {
      const inside = y >= 0 && y < height && at >= 0 && at < width;
      store<u32>(table, <u32>(inside ? line + <usize>at * bytes : zeros));
      table += 4 * ROWS;
    }
  }
}

/** COLUMNS columns of one matrix's result, for a part of its rows. */
export function product(slot: usize, chunk: i32, thread: i32): void {
  const taps = integer(slot, ProductAt.taps), inner = integer(slot, ProductAt.inner);
  const columns = integer(slot, ProductAt.columns), rows = integer(slot, ProductAt.rows), blocks = integer(slot, ProductAt.blocks);
  const panels = integer(slot, ProductAt.panels), parts = integer(slot, ProductAt.parts);
  const part = (chunk / panels) % parts, matrix = chunk / (parts * panels);
  const column = (chunk % panels) * COLUMNS;
  const width = min(COLUMNS, columns - column);
  const partial = address(slot, ProductAt.scratch) + <usize>thread * address(slot, ProductAt.scratchBytes);
  const bias = partial + TILE_BYTES, addresses = bias + LINE_BYTES, panel = addresses + LINE_BYTES;

  packPanel(address(slot, ProductAt.b) + <usize>matrix * address(slot, ProductAt.matrixBytes), address(slot, ProductAt.rowBytes), column, width, taps * inner, integer(slot, ProductAt.transposed) !== 0, panel);
  memory.fill(bias, 0, LINE_BYTES);
  if (address(slot, ProductAt.bias)) memory.copy(bias, address(slot, ProductAt.bias) + (<usize>column << 2), <usize>width << 2);

  const stride = <usize>columns << 2;
  const out = address(slot, ProductAt.out) + <usize>(matrix * rows) * stride + (<usize>column << 2);
  for (let block = (blocks * part) / parts, end = (blocks * (part + 1)) / parts; block < end; block++) {
    let table = addresses;
    if (address(slot, ProductAt.table)) table = address(slot, ProductAt.table) + <usize>(matrix * blocks + block) * <usize>(taps * ROWS) * 4;
    else rowAddresses(address(slot, ProductAt.a) + <usize>(matrix * rows) * (<usize>inner << 2), block, rows, <usize>inner << 2, table);
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

/** The addresses of a block's rows in a matrix. */
// @ts-ignore: decorator
@inline
function rowAddresses(matrix: usize, block: i32, rows: i32, bytes: usize, table: usize): void {
  for (let i = 0; i < ROWS; i++) store<u32>(table + (<usize>i << 2), <u32>(matrix + <usize>min(block * ROWS + i, rows - 1) * bytes));
}

/** Packs some columns of b for `tile`, padded with zero columns. @param stride bytes from row to row of b as stored */
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
