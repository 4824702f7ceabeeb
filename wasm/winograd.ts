/**
 * 3x3 convolutions of stride 1 with zeros around by Winograd's algorithm F(2x2, 3x3) (Lavin and Gray 2016): four results of a tile by 16
 * products in place of 36. Of each tile, 4x4 pixels that lie 2 apart, the 16 numbers are sums and differences of them; so are the
 * filter's; what belongs together is multiplied as 16 products of matrices (product.ts); and 2x2 results are sums and differences of those.
 * Channels go by fours.
 */
import { address, integer } from './pool';

/** From one thread's working memory to the next: 4x4 times four numbers, and as much again, lest two threads write to one line of a cache. */
const SCRATCH_BYTES: usize = 512;
const SCRATCH_ROW: usize = 64;

/** Parameters: filter [3, 3, in, out], to [16, in, out], in, out, from matrix to matrix of them, input channels a chunk, scratch. */
export function winogradFilter(control: usize, chunk: i32, thread: i32): void {
  const inputs = integer(control, 2), each = integer(control, 5);
  const row = <usize>integer(control, 3) << 2, plane = <usize>inputs * row, apart = <usize>integer(control, 4) << 2;
  const scratch = address(control, 6) + <usize>thread * SCRATCH_BYTES;
  const begin = <usize>(chunk * each) * row, end = <usize>min((chunk + 1) * each, inputs) * row;
  for (let at = begin; at < end; at += 16) {
    const from = address(control, 0) + at, to = address(control, 1) + at;
    for (let j: usize = 0; j < 3; j++) {
      const g = from + j * plane;
      filterSums(v128.load(g), v128.load(g + 3 * plane), v128.load(g + 6 * plane), scratch + (j << 4), SCRATCH_ROW);
    }
    for (let i: usize = 0; i < 4; i++) {
      const g = scratch + i * SCRATCH_ROW;
      filterSums(v128.load(g), v128.load(g, 16), v128.load(g, 32), to + 4 * i * apart, apart);
    }
  }
}

/** Parameters: x [rows, height, width, in], zeros (as many as channels), to [16, tiles + 1, in], height, width, in, the first tile, tiles, tiles a chunk, scratch. */
export function winogradPixels(control: usize, chunk: i32, thread: i32): void {
  const height = integer(control, 3), width = integer(control, 4), first = integer(control, 6), tiles = integer(control, 7), each = integer(control, 8);
  const x = address(control, 0), zeros = address(control, 1), bytes = <usize>integer(control, 5) << 2, plane = <usize>(tiles + 1) * bytes;
  const scratch = address(control, 9) + <usize>thread * SCRATCH_BYTES;
  const across = (width + 1) >> 1, down = (height + 1) >> 1;
  for (let tile = chunk * each, end = min(tile + each, tiles); tile < end; tile++) {
    const picture = (first + tile) / (across * down), top = (((first + tile) / across) % down) * 2 - 1, left = ((first + tile) % across) * 2 - 1;
    const to = address(control, 2) + <usize>tile * bytes;
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      for (let j = 0; j < 4; j++) {
        const at = left + j, inside = at >= 0 && at < width;
        const d = x + <usize>((picture * height + top) * width + at) * bytes + channel, line = <usize>width * bytes;
        pixelSums(
          v128.load(inside && top >= 0 ? d : zeros), v128.load(inside ? d + line : zeros),
          v128.load(inside && top + 2 < height ? d + 2 * line : zeros), v128.load(inside && top + 3 < height ? d + 3 * line : zeros),
          scratch + (<usize>j << 4), SCRATCH_ROW);
      }
      for (let i: usize = 0; i < 4; i++) {
        const d = scratch + i * SCRATCH_ROW;
        pixelSums(v128.load(d), v128.load(d, 16), v128.load(d, 32), v128.load(d, 48), to + 4 * i * plane + channel, plane);
      }
    }
  }
}

/** Parameters: products [16, tiles + 1, out], bias, y [rows, height, width, out], height, width, out, the first tile, tiles, tiles a chunk, scratch. */
export function winogradResults(control: usize, chunk: i32, thread: i32): void {
  const height = integer(control, 3), width = integer(control, 4), first = integer(control, 6), tiles = integer(control, 7), each = integer(control, 8);
  const bytes = <usize>integer(control, 5) << 2, plane = <usize>(tiles + 1) * bytes;
  const scratch = address(control, 9) + <usize>thread * SCRATCH_BYTES;
  const across = (width + 1) >> 1, down = (height + 1) >> 1;
  for (let tile = chunk * each, end = min(tile + each, tiles); tile < end; tile++) {
    const picture = (first + tile) / (across * down), top = (((first + tile) / across) % down) * 2, left = ((first + tile) % across) * 2;
    const y = address(control, 2) + <usize>((picture * height + top) * width + left) * bytes;
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      for (let j: usize = 0; j < 4; j++) {
        const m = address(control, 0) + j * plane + <usize>tile * bytes + channel;
        resultSums(v128.load(m), v128.load(m + 4 * plane), v128.load(m + 8 * plane), v128.load(m + 12 * plane), scratch + (j << 4), SCRATCH_ROW);
      }
      const bias = v128.load(address(control, 1) + channel);
      for (let i = 0, rows = min(2, height - top); i < rows; i++) {
        const m = scratch + <usize>i * SCRATCH_ROW, to = y + <usize>(i * width) * bytes + channel;
        resultSums(v128.load(m), v128.load(m, 16), v128.load(m, 32), v128.load(m, 48), m, 16);
        v128.store(to, f32x4.add(v128.load(m), bias));
        if (left + 1 < width) v128.store(to + bytes, f32x4.add(v128.load(m, 16), bias));
      }
    }
  }
}

/** The paper's matrices G, B and A, transposed, by one vector; results `step` bytes apart. */
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
