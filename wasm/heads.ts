import { address, integer } from './pool';
import { read, write } from './vector';

/**
 * Lays out one head of one row in another order of axes. Parameters: x, out, heads, tokens, bytes of a head; then for x and for out the bytes
 * from row to row, from head to head, from token to token.
 */
export function moveHeads(control: usize, chunk: i32): void {
  const heads = integer(control, 2), bytes = address(control, 4);
  const row = <usize>(chunk / heads), head = <usize>(chunk % heads);
  let from = address(control, 0) + row * address(control, 5) + head * address(control, 6);
  let to = address(control, 1) + row * address(control, 8) + head * address(control, 9);
  for (let token = integer(control, 3); token > 0; token--) {
    for (let i: usize = 0; i < bytes; i += i + 16 <= bytes ? 16 : 4) write(to + i, read(from + i, i + 16 <= bytes), i + 16 <= bytes);
    from += address(control, 7);
    to += address(control, 10);
  }
}
