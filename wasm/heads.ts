import { MoveHeadsAt } from '../src/backend/wasmLayout';
import { address, integer } from './pool';
import { read, write } from './vector';

/** Copies one head of one row to another order of axes. */
export function moveHeads(slot: usize, chunk: i32): void {
  const heads = integer(slot, MoveHeadsAt.heads), bytes = address(slot, MoveHeadsAt.bytes);
  const row = <usize>(chunk / heads), head = <usize>(chunk % heads);
  let from = address(slot, MoveHeadsAt.x) + row * address(slot, MoveHeadsAt.xRow) + head * address(slot, MoveHeadsAt.xHead);
  let to = address(slot, MoveHeadsAt.out) + row * address(slot, MoveHeadsAt.outRow) + head * address(slot, MoveHeadsAt.outHead);
  for (let token = integer(slot, MoveHeadsAt.tokens); token > 0; token--) {
    for (let i: usize = 0; i < bytes; i += i + 16 <= bytes ? 16 : 4) write(to + i, read(from + i, i + 16 <= bytes), i + 16 <= bytes);
    from += address(slot, MoveHeadsAt.xToken);
    to += address(slot, MoveHeadsAt.outToken);
  }
}
