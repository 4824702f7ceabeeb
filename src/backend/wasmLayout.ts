/**
 * What our wasm kernels and their callers have to agree on. This file is compiled as AssemblyScript (wasm/) as well as
 * TypeScript, so it holds only plain numbers.
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
  turnedFilter,
  gegluGradient,
}

/** tfjs's kernels that `arithmetic` replaces. */
export enum Arithmetic {
  Add,
  Sub,
  Multiply,
  RealDiv,
}

/**
 * The rows and columns of a result computed together. More sums would not fit in registers: 6 x 8 takes half as long
 * again.
 */
export const ROWS = 4;
export const COLUMNS = 8;
/** The size of a tile, and of one of its rows. */
export const TILE_BYTES = 128;
export const LINE_BYTES = 32;

/** Blocks of rows in a chunk of a product's table. */
export const BLOCKS = 64;

/** For Winograd's convolutions: 4x4 times four numbers. */
export const SUMS_BYTES = 256;
/**
 * Padding in bytes between their 16 matrices, because a cache can hold only a few addresses that are a power of two
 * apart.
 */
export const GAP = 64;

/*
 * The positions of a job's parameters, each of 32 bits. Tensors, `scratch` and other places in memory are byte
 * addresses; `scratchBytes` is the scratch memory per thread; `...PerChunk` is how many make a chunk.
 */

/** A table of the addresses of A's rows. */
export enum RowTableAt {
  table,
  x,
  /** As many zeros as a pixel has channels. */
  zeros,
  blocks,
  blocksPerMatrix,
  /** Of a matrix. */
  rows,
  height,
  width,
  pixelBytes,
  /** Of one picture. */
  resultPixels,
  resultWidth,
  filterHeight,
  filterWidth,
  stride,
  /** Zero padding around the picture. */
  above,
  left,
}

/** Products and convolutions. */
export enum ProductAt {
  /** 0 if there is none; then `a` is used. */
  table,
  taps,
  inner,
  b,
  /** Bytes from row to row of b, and from matrix to matrix. */
  rowBytes,
  matrixBytes,
  /** Whether b is transposed. */
  transposed,
  /** 0 for none. */
  bias,
  out,
  columns,
  /** Of a matrix. */
  rows,
  /** Of a matrix. */
  blocks,
  panels,
  parts,
  scratch,
  scratchBytes,
  a,
}

/** Attention. */
export enum AttentionAt {
  q,
  k,
  v,
  out,
  heads,
  queries,
  keys,
  headSize,
  parts,
  /** A float. */
  scale,
  scratch,
  scratchBytes,
  /** For each tensor, the bytes from row to row, head to head and token to token. */
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
  /** Whether queries attend to no keys after them. */
  causal,
}

/** Group normalisation, and its gradient. */
export enum GroupNormAt {
  x,
  weight,
  bias,
  out,
  pixels,
  channels,
  /** Channels of a group, and of a slab. */
  group,
  slab,
  /** Of one picture. */
  slabs,
  /** A float. */
  epsilon,
  /** Whether SiLU follows. */
  silu,
  scratch,
  scratchBytes,
  /** Of the gradient alone. */
  dy,
}

/** Layer normalisation, and its gradient. */
export enum LayerNormAt {
  x,
  weight,
  bias,
  out,
  rows,
  features,
  rowsPerChunk,
  /** A float. */
  epsilon,
  /** Of the gradient alone. */
  dy,
}

/** Softmax along the last axis. */
export enum SoftmaxAt {
  x,
  out,
  rows,
  size,
  rowsPerChunk,
}

/** GEGLU, and its gradient. */
export enum GegluAt {
  x,
  out,
  rows,
  /** Half of x's. */
  features,
  rowsPerChunk,
  /** Of the gradient alone. */
  dy,
}

/** SiLU and similar activations. */
export enum SiluAt {
  x,
  out,
  numbers,
  /** Whole fours. */
  perChunk,
  /** A float. */
  slope,
}

/** Arithmetic of two tensors. */
export enum ArithmeticAt {
  a,
  b,
  out,
  numbers,
  /** Whole fours. */
  perChunk,
  /** An `Arithmetic`. */
  operation,
  /** Whether b is one number. */
  isOne,
}

/** Copies heads to another order of axes. */
export enum MoveHeadsAt {
  x,
  out,
  heads,
  tokens,
  /** Of one head of one token. */
  bytes,
  /** For both tensors, the bytes from row to row, head to head and token to token. */
  xRow,
  xHead,
  xToken,
  outRow,
  outHead,
  outToken,
}

/** Turns a filter for the gradient of its convolution. */
export enum TurnedFilterAt {
  filter,
  out,
  taps,
  inputs,
  outputs,
}

/** Transforms a filter for Winograd's convolution. */
export enum WinogradFilterAt {
  filter,
  to,
  inputs,
  outputs,
  inputsPerChunk,
  scratch,
  scratchBytes,
}

/** Winograd's convolution. */
export enum WinogradAt {
  x,
  /** As many as there are inputs. */
  zeros,
  filter,
  bias,
  out,
  height,
  width,
  inputs,
  outputs,
  tiles,
  /** Whole ROWS. */
  tilesPerChunk,
  scratch,
  scratchBytes,
}

/** Sums along an axis. */
export enum SumAt {
  x,
  out,
  axis,
  inner,
  parts,
  /** Numbers; whole fours. */
  perPart,
}
