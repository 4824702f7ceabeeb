/**
 * 3x3 convolutions with stride 1 and padding 1 by Winograd's algorithm F(2x2, 3x3) (Lavin and Gray 2016): the four
 * results of a tile take 16 multiplications instead of 36. Tiles are 4x4 pixels, 2 apart; each is transformed to 16
 * numbers, sums and differences of its pixels, and so is the filter. Corresponding numbers are multiplied as 16 matrix
 * products, and the 2x2 results are sums and differences of these. All this is done for some tiles at a time, which
 * stay in a processor's cache. Input channels are processed in fours, output channels in COLUMNS.
 */
import { address, integer } from './pool';
import * as layout from '../src/backend/wasmLayout';
import { COLUMNS, ROWS, WinogradAt, WinogradFilterAt } from '../src/backend/wasmLayout';
import { LINE_BYTES, tile } from './tile';

const SUMS_BYTES: usize = layout.SUMS_BYTES;
const SUMS_ROW: usize = 64;
const GAP: usize = layout.GAP;

/** Transforms a filter [3, 3, in, out] to [16, out / COLUMNS, in, COLUMNS], with a GAP after each of the 16. */
export function winogradFilter(slot: usize, chunk: i32, thread: i32): void {
  const inputs = integer(slot, WinogradFilterAt.inputs), outputs = integer(slot, WinogradFilterAt.outputs), each = integer(slot, WinogradFilterAt.inputsPerChunk);
  const plane = <usize>(inputs * outputs) << 2, apart = plane + GAP;
  const sums = address(slot, WinogradFilterAt.scratch) + <usize>thread * address(slot, WinogradFilterAt.scratchBytes);
  for (let input = chunk * each, end = min(input + each, inputs); input < end; input++) {
    for (let output = 0; output < outputs; output += 4) {
      const from = address(slot, WinogradFilterAt.filter) + (<usize>(input * outputs + output) << 2);
      const to = address(slot, WinogradFilterAt.to) + <usize>((output / COLUMNS) * inputs + input) * LINE_BYTES + (<usize>(output % COLUMNS) << 2);
      for (let j: usize = 0; j < 3; j++) {
        const g = from + j * plane;
        filterSums(v128.load(g), v128.load(g + 3 * plane), v128.load(g + 6 * plane), sums + (j << 4), SUMS_ROW);
      }
      for (let i: usize = 0; i < 4; i++) {
        const g = sums + i * SUMS_ROW;
        filterSums(v128.load(g), v128.load(g, 16), v128.load(g, 32), to + 4 * i * apart, apart);
      }
    }
  }
}

/**
 * Convolves some tiles of all pictures, with a filter from `winogradFilter`. A thread's scratch holds the sums and, for
 * 16 matrices, the pixels and COLUMNS of products.
 */
export function winograd(slot: usize, chunk: i32, thread: i32): void {
  const inputs = integer(slot, WinogradAt.inputs), outputs = integer(slot, WinogradAt.outputs), each = integer(slot, WinogradAt.tilesPerChunk);
  const first = chunk * each, count = min(each, integer(slot, WinogradAt.tiles) - first);
  const sums = address(slot, WinogradAt.scratch) + <usize>thread * address(slot, WinogradAt.scratchBytes);
  const rows = sums + SUMS_BYTES, zeros = rows + LINE_BYTES, pixels = zeros + LINE_BYTES;
  const plane = (<usize>(each * inputs) << 2) + GAP, products = pixels + 16 * plane, productsPlane = <usize>each * LINE_BYTES + GAP;
  memory.fill(zeros, 0, LINE_BYTES);

  transformPixels(slot, first, count, sums, pixels, plane);
  const panelBytes = <usize>inputs * LINE_BYTES, filterPlane = (<usize>(inputs * outputs) << 2) + GAP;
  for (let column = 0; column < outputs; column += COLUMNS) {
    for (let matrix = 0; matrix < 16; matrix++) {
      const panel = address(slot, WinogradAt.filter) + <usize>matrix * filterPlane + <usize>(column / COLUMNS) * panelBytes;
      for (let at = 0; at < count; at += ROWS) {
        for (let i = 0; i < ROWS; i++) store<u32>(rows + (<usize>i << 2), <u32>(pixels + <usize>matrix * plane + (<usize>(min(at + i, count - 1) * inputs) << 2)));
        tile(rows, 1, inputs, panel, zeros, products + <usize>matrix * productsPlane + <usize>at * LINE_BYTES, LINE_BYTES);
      }
    }
    transformResults(slot, first, count, sums, products, productsPlane, column);
  }
}

/** Transforms tiles to 16 matrices [tiles, in], `plane` bytes apart. */
function transformPixels(slot: usize, first: i32, count: i32, sums: usize, pixels: usize, plane: usize): void {
  const x = address(slot, WinogradAt.x), zeros = address(slot, WinogradAt.zeros), height = integer(slot, WinogradAt.height), width = integer(slot, WinogradAt.width), bytes = <usize>integer(slot, WinogradAt.inputs) << 2;
  const across = (width + 1) >> 1, down = (height + 1) >> 1;
  for (let n = first; n < first + count; n++) {
    const picture = n / (across * down), top = ((n / across) % down) * 2 - 1, left = (n % across) * 2 - 1;
    const to = pixels + <usize>(n - first) * bytes;
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      for (let j = 0; j < 4; j++) {
        const at = left + j, inside = at >= 0 && at < width;
        const d = x + <usize>((picture * height + top) * width + at) * bytes + channel, line = <usize>width * bytes;
        pixelSums(
          v128.load(inside && top >= 0 ? d : zeros), v128.load(inside ? d + line : zeros),
          v128.load(inside && top + 2 < height ? d + 2 * line : zeros), v128.load(inside && top + 3 < height ? d + 3 * line : zeros),
          sums + (<usize>j << 4), SUMS_ROW);
      }
      for (let i: usize = 0; i < 4; i++) {
        const d = sums + i * SUMS_ROW;
        pixelSums(v128.load(d), v128.load(d, 16), v128.load(d, 32), v128.load(d, 48), to + 4 * i * plane + channel, plane);
      }
    }
  }
}

/** COLUMNS channels of y, from 16 matrices [tiles, COLUMNS], `plane` bytes apart. */
function transformResults(slot: usize, first: i32, count: i32, sums: usize, products: usize, plane: usize, column: i32): void {
  const height = integer(slot, WinogradAt.height), width = integer(slot, WinogradAt.width), bytes = <usize>integer(slot, WinogradAt.outputs) << 2;
  const across = (width + 1) >> 1, down = (height + 1) >> 1;
  for (let n = first; n < first + count; n++) {
    const picture = n / (across * down), top = ((n / across) % down) * 2, left = (n % across) * 2;
    for (let part: usize = 0; part < LINE_BYTES; part += 16) {
      const channel = (<usize>column << 2) + part;
      const y = address(slot, WinogradAt.out) + <usize>((picture * height + top) * width + left) * bytes + channel;
      for (let j: usize = 0; j < 4; j++) {
        const m = products + j * plane + <usize>(n - first) * LINE_BYTES + part;
        resultSums(v128.load(m), v128.load(m + 4 * plane), v128.load(m + 8 * plane), v128.load(m + 12 * plane), sums + (j << 4), SUMS_ROW);
      }
      const bias = v128.load(address(slot, WinogradAt.bias) + channel);
      for (let i = 0, lines = min(2, height - top); i < lines; i++) {
        const m = sums + <usize>i * SUMS_ROW, to = y + <usize>(i * width) * bytes;
        resultSums(v128.load(m), v128.load(m, 16), v128.load(m, 32), v128.load(m, 48), m, 16);
        v128.store(to, f32x4.add(v128.load(m), bias));
        if (left + 1 < width) v128.store(to + bytes, f32x4.add(v128.load(m, 16), bias));
      }
    }
  }
}

/** The paper's matrices G, B and A, transposed, times one vector; results are `step` bytes apart. */
// @ts-ignore: decorator
@inline
function filterSums(a: v128, b: v128, c: v128, to: usize, step: usize): void {
  const half = f32x4.splat(0.5), outer = f32x4.mul(f32x4.add(a, c), half), inner = f32x4.mul(b, half);
  v128.store(to, a);
  v128.store(to + step, f32x4.add(outer, inner));
  v128.store(to + 2 * step, f32x4.sub(outer, inner));
  v128.store(to + 3 * step, c);
}

// @ts-ignore: decorator
@inline
function pixelSums(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  v128.store(to, f32x4.sub(a, c));
  v128.store(to + step, f32x4.add(b, c));
  v128.store(to + 2 * step, f32x4.sub(c, b));
  v128.store(to + 3 * step, f32x4.sub(b, d));
}

// @ts-ignore: decorator
@inline
function resultSums(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  v128.store(to, f32x4.add(f32x4.add(a, b), c));
  v128.store(to + step, f32x4.sub(f32x4.sub(b, c), d));
}
