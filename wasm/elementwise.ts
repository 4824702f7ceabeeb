import { Arithmetic } from '../src/backend/wasmLayout';
import { address, float, integer } from './pool';
import { phi, read, sigmoid, write } from './vector';

/**
 * out = hidden x gate x Phi(gate), where each row of x has the hidden features and then the gates. Parameters: x, out,
 * rows, features, rows a chunk.
 */
export function geglu(slot: usize, chunk: i32): void {
  const bytes = <usize>integer(slot, 3) << 2;
  const fours = bytes & ~15;
  const each = integer(slot, 4);
  for (let row = chunk * each, end = min(row + each, integer(slot, 2)); row < end; row++) {
    const x = address(slot, 0) + 2 * <usize>row * bytes;
    const out = address(slot, 1) + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
      const four = i < fours;
      const gate = read(x + bytes + i, four);
      write(out + i, f32x4.mul(f32x4.mul(read(x + i, four), gate), phi(gate)), four);
    }
  }
}

/**
 * x sigmoid(slope x): SiLU with a slope of 1, CLIP's approximation of gelu with 1.702. Parameters: x, out, numbers,
 * numbers a chunk (whole fours), slope.
 */
export function silu(slot: usize, chunk: i32): void {
  const x = address(slot, 0), out = address(slot, 1);
  const slope = f32x4.splat(float(slot, 4));
  const end = endOf(slot, chunk, 2);
  for (let i = startOf(slot, chunk, 2); i < end; i += i + 16 <= end ? 16 : 4) {
    const four = i + 16 <= end;
    const value = read(x + i, four);
    write(out + i, f32x4.mul(value, sigmoid(f32x4.mul(slope, value))), four);
  }
}

/**
 * a and b added, subtracted, multiplied or divided. Parameters: a, b, out, numbers, numbers a chunk (whole fours),
 * which {@link Arithmetic}, whether b is one number.
 */
export function arithmetic(slot: usize, chunk: i32): void {
  const a = address(slot, 0), b = address(slot, 1), out = address(slot, 2);
  const operation = integer(slot, 5), isOne = integer(slot, 6) != 0;
  const end = endOf(slot, chunk, 3);
  for (let i = startOf(slot, chunk, 3); i < end; i += i + 16 <= end ? 16 : 4) {
    const four = i + 16 <= end;
    write(out + i, operate(operation, read(a + i, four), isOne ? v128.load32_splat(b) : read(b + i, four)), four);
  }
}

// @ts-ignore: decorator
@inline
function operate(operation: i32, x: v128, y: v128): v128 {
  switch (operation) {
    case Arithmetic.Add: return f32x4.add(x, y);
    case Arithmetic.Sub: return f32x4.sub(x, y);
    case Arithmetic.Multiply: return f32x4.mul(x, y);
    default: return f32x4.div(x, y);
  }
}

/**
 * Where a chunk of a long row of numbers starts, in bytes. @param numbers which parameter says how many there are; the
 * next says how many are a chunk
 */
function startOf(slot: usize, chunk: i32, numbers: i32): usize {
  return <usize>chunk * address(slot, numbers + 1) << 2;
}

function endOf(slot: usize, chunk: i32, numbers: i32): usize {
  return min(startOf(slot, chunk + 1, numbers), address(slot, numbers) << 2);
}
