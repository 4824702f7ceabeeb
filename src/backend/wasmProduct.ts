import { BLOCKS, COLUMNS, Job, LINE_BYTES, ProductAt, ROWS, RowTableAt, TILE_BYTES } from './wasmLayout';
import { placed, type WasmPool } from './wasmPool';

/** The operand A of a product A B: consecutive matrices. */
export interface ProductRows {
  readonly address: number;
  /** The number of matrices, each with its own B. */
  readonly matrices: number;
  /** The result's rows per matrix. */
  readonly rows: number;
  /** Numbers per row of a matrix, or per pixel. */
  readonly channels: number;
  /** Set if A's rows are the pixels under a convolution's filter, not the rows of a matrix. */
  readonly under?: Filter;
}

export interface Filter {
  readonly picture: readonly [height: number, width: number];
  readonly result: readonly [height: number, width: number];
  readonly filter: readonly [height: number, width: number];
  readonly stride: number;
  /** Zero padding above and left of the picture. */
  readonly zeros: readonly [above: number, left: number];
}

/** The other operand and the result. Addresses in bytes, sizes in numbers. */
export interface ProductColumns {
  readonly b: number;
  readonly columns: number;
  readonly transposed: boolean;
  /** Left out if there is none. */
  readonly bias?: number;
  readonly out: number;
}

/** out = A B + bias, all float32: products and convolutions alike (wasm/product.ts). */
export function multiply(
  pool: WasmPool,
  a: ProductRows,
  { b, columns, transposed, bias = 0, out }: ProductColumns,
): void {
  const { matrices, rows, channels, under } = a;
  const taps = under ? under.filter[0] * under.filter[1] : 1;
  const inner = taps * channels;
  const blocks = Math.ceil(rows / ROWS);
  const panels = Math.ceil(columns / COLUMNS);
  const each = TILE_BYTES + LINE_BYTES * (2 + inner);
  const zeros = under ? 4 * channels : 0;
  const table = under ? matrices * blocks * taps * ROWS * 4 : 0;
  const scratch = pool.reserve(zeros + table + pool.threads * each, zeros);

  if (under) {
    const { picture, result, filter, stride } = under;
    const tableOf = placed(RowTableAt, {
      table: scratch + zeros,
      x: a.address,
      zeros: scratch,
      blocks: matrices * blocks,
      blocksPerMatrix: blocks,
      rows,
      height: picture[0],
      width: picture[1],
      pixelBytes: 4 * channels,
      resultPixels: result[0] * result[1],
      resultWidth: result[1],
      filterHeight: filter[0],
      filterWidth: filter[1],
      stride,
      above: under.zeros[0],
      left: under.zeros[1],
    });
    pool.run(Job.rowTable, Math.ceil((matrices * blocks) / BLOCKS), tableOf, 10 * matrices * rows * taps);
  }

  // Each thread gets its own rows if there are enough of them, because each part packs the panels again.
  const parts =
    pool.threads === 1
      ? 1
      : Math.max(1, Math.min(Math.floor(blocks / 32), pool.threads * Math.ceil(4 / (panels * matrices))));
  const productOf = placed(ProductAt, {
    table: under ? scratch + zeros : 0,
    taps,
    inner: channels,
    b,
    rowBytes: 4 * (transposed ? inner : columns),
    matrixBytes: 4 * inner * columns,
    transposed: transposed ? 1 : 0,
    bias,
    out,
    columns,
    rows,
    blocks,
    panels,
    parts,
    scratch: scratch + zeros + table,
    scratchBytes: each,
    a: a.address,
  });
  pool.run(Job.product, matrices * panels * parts, productOf, matrices * rows * columns * inner);
  pool.release(scratch);
}
