import { address, integer } from './pool';
import { read, write } from './vector';

/**
 * Lays out one head of one row in another order of axes. Parameters: x, out, heads, tokens, bytes of a head; then for x
 * and for out the bytes from row to row, from head to head, from token to token.
 */
export function moveHeads(slot: usize, chunk: i32): void {
  const heads = integer(slot, 2), bytes = address(slot, 4);
  const row = <usize>(chunk / heads), head = <usize>(chunk % heads);
  let from = address(slot, 0) + row * address(slot, 5) + head * address(slot, 6);
  let to = address(slot, 1) + row * address(slot, 8) + head * address(slot, 9);
  for (let token = integer(slot, 3); token > 0; token--) {
    for (let i: usize = 0; i < bytes; i += i + 16 <= bytes ? 16 : 4) write(to + i, read(from + i, i + 16 <= bytes), i + 16 <= bytes);
    from += address(slot, 7);
    to += address(slot, 10);
  }
}
