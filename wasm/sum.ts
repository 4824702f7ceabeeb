import { SumAt } from '../src/backend/wasmLayout';
import { address, integer } from './pool';
import { read, write } from './vector';

/** Sums along the middle axis of [outer, axis, inner]. A chunk is a part of one outer index. */
export function sum(slot: usize, chunk: i32): void {
  const parts = integer(slot, SumAt.parts), outer = <usize>(chunk / parts), axis = integer(slot, SumAt.axis);
  const bytes = address(slot, SumAt.inner) << 2, part = address(slot, SumAt.perPart) << 2;
  const x = address(slot, SumAt.x) + outer * <usize>axis * bytes, out = address(slot, SumAt.out) + outer * bytes;
  const start = <usize>(chunk % parts) * part, end = min(start + part, bytes);
  for (let i = start; i < end; i += i + 16 <= end ? 16 : 4) {
    const four = i + 16 <= end;
    let total = f32x4.splat(0);
    for (let j = 0, from = x + i; j < axis; j++, from += bytes) total = f32x4.add(total, read(from, four));
    write(out + i, total, four);
  }
}
