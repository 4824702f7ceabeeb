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
  turnedFilter,
  gegluGradient,
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

/*
 * Where a job's parameters stand, each of 32 bits. Tensors, `scratch` and what else is a place in memory are addresses in
 * bytes; `scratchBytes` is what each thread has of it. What is named after a chunk is how many of them are one.
 */

/** A table of the addresses of A's rows. */
export enum RowTableAt {
  table,
  x,
  /** As many as a pixel has channels. */
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
  /** Zeros around the picture. */
  above,
  left,
}

/** Products and convolutions. */
export enum ProductAt {
  /** 0 where there is none: then `a` is. */
  table,
  taps,
  inner,
  b,
  /** From row to row of b, and from matrix to matrix. */
  rowBytes,
  matrixBytes,
  /** Whether b is. */
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
  /** Of each tensor the bytes from row to row, from head to head, from token to token. */
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
  /** Whether a query sees no key after it. */
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

/** SiLU, and what is like it. */
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

/** Heads in another order of axes. */
export enum MoveHeadsAt {
  x,
  out,
  heads,
  tokens,
  /** Of a head of one token. */
  bytes,
  /** Of both tensors the bytes from row to row, from head to head, from token to token. */
  xRow,
  xHead,
  xToken,
  outRow,
  outHead,
  outToken,
}

/** A filter for the gradient of its convolution. */
export enum TurnedFilterAt {
  filter,
  out,
  taps,
  inputs,
  outputs,
}

/** A filter for Winograd's convolution. */
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
