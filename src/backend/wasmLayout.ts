/**
 * What the wasm backend's kernels of ours and who calls them have to agree on. AssemblyScript (wasm/) reads this file as
 * TypeScript does, so it holds plain numbers only.
 */

/** Every kind of job. */
export enum Job {
  rowTable,
  product,
  attention,
  groupNorm,
  layerNorm,
  softmax,
  geglu,
  silu,
  arithmetic,
  moveHeads,
  winogradFilter,
  winograd,
  sum,
  groupNormGradient,
  layerNormGradient,
}

/** tfjs's kernels that `arithmetic` stands for. */
export enum Arithmetic {
  Add,
  Sub,
  Multiply,
  RealDiv,
}

/**
 * Rows and columns of a result that are computed together. More sums than these would not find registers: 6 x 8 take
 * half as long again.
 */
export const ROWS = 4;
export const COLUMNS = 8;
/** Of a tile, and of one of its rows. */
export const TILE_BYTES = 128;
export const LINE_BYTES = 32;

/** Blocks of rows in a chunk of a product's table. */
export const BLOCKS = 64;

/** Of Winograd's convolutions: 4x4 times four numbers. */
export const SUMS_BYTES = 256;
/**
 * Bytes from one of their 16 matrices to the next besides what its numbers take: a cache keeps few things that are a
 * power of two apart.
 */
export const GAP = 64;
