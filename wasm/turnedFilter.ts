import { TurnedFilterAt } from '../src/backend/wasmLayout';
import { address, integer } from './pool';

/** Turns a filter [taps, in, out] into [taps, out, in], with the taps reversed. A chunk is one tap. */
export function turnedFilter(slot: usize, chunk: i32): void {
  const inputs = integer(slot, TurnedFilterAt.inputs), outputs = integer(slot, TurnedFilterAt.outputs);
  const line = <usize>outputs << 2, column = <usize>inputs << 2, plane = line * <usize>inputs;
  const from = address(slot, TurnedFilterAt.filter) + <usize>(integer(slot, TurnedFilterAt.taps) - 1 - chunk) * plane;
  const to = address(slot, TurnedFilterAt.out) + <usize>chunk * plane;
  const rows = inputs & ~3, columns = outputs & ~3;
  for (let i = 0; i < rows; i += 4) {
    for (let j = 0; j < columns; j += 4) square(from + <usize>i * line + (<usize>j << 2), line, to + <usize>j * column + (<usize>i << 2), column);
  }
  for (let i = 0; i < inputs; i++) {
    for (let j = i < rows ? columns : 0; j < outputs; j++) {
      store<f32>(to + <usize>j * column + (<usize>i << 2), load<f32>(from + <usize>i * line + (<usize>j << 2)));
    }
  }
}

/** Transposes a square of 4x4 numbers. */
// @ts-ignore: decorator
@inline
function square(from: usize, line: usize, to: usize, column: usize): void {
  const a = v128.load(from), b = v128.load(from + line), c = v128.load(from + 2 * line), d = v128.load(from + 3 * line);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(to + column, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  const right = v128.shuffle<f32>(a, b, 2, 6, 3, 7), below = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to + 2 * column, v128.shuffle<f32>(right, below, 0, 1, 4, 5));
  v128.store(to + 3 * column, v128.shuffle<f32>(right, below, 2, 3, 6, 7));
}
