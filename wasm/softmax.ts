import { SoftmaxAt } from '../src/backend/wasmLayout';
import { address, integer } from './pool';
import { exp, largestOf, read, sumOf, write } from './vector';

/** Softmax of each row. */
export function softmax(slot: usize, chunk: i32): void {
  const size = integer(slot, SoftmaxAt.size);
  const each = integer(slot, SoftmaxAt.rowsPerChunk);
  const bytes = <usize>size << 2;
  for (let row = chunk * each, end = min(row + each, integer(slot, SoftmaxAt.rows)); row < end; row++) {
    softmaxOf(address(slot, SoftmaxAt.x) + <usize>row * bytes, address(slot, SoftmaxAt.out) + <usize>row * bytes, size);
  }
}

/** e^(x - largest) over its sum; `out` may be `x`. */
export function softmaxOf(x: usize, out: usize, size: i32): void {
  const bytes = <usize>size << 2;
  const fours = bytes & ~15;
  let largest = f32x4.splat(-Infinity);
  for (let i: usize = 0; i < fours; i += 16) largest = f32x4.max(largest, v128.load(x + i));
  let top = largestOf(largest);
  for (let i = fours; i < bytes; i += 4) top = max(top, load<f32>(x + i));

  const shift = f32x4.splat(top);
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < fours; i += 16) {
    const y = exp(f32x4.sub(v128.load(x + i), shift));
    v128.store(out + i, y);
    sums = f32x4.add(sums, y);
  }
  let sum = sumOf(sums);
  for (let i = fours; i < bytes; i += 4) {
    const y = f32x4.extract_lane(exp(f32x4.splat(load<f32>(x + i) - top)), 0);
    store<f32>(out + i, y);
    sum += y;
  }

  const share = f32x4.splat(1 / sum);
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
    const four = i < fours;
    write(out + i, f32x4.mul(read(out + i, four), share), four);
  }
}
