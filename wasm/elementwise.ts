import { Arithmetic, ArithmeticAt, GegluAt, SiluAt } from '../src/backend/wasmLayout';
import { address, float, integer } from './pool';
import { exp, phi, read, sigmoid, write } from './vector';

/** out = hidden x gate x Phi(gate), where each row of x holds the hidden features, then the gates. */
export function geglu(slot: usize, chunk: i32): void {
  const bytes = <usize>integer(slot, GegluAt.features) << 2;
  const fours = bytes & ~15;
  const each = integer(slot, GegluAt.rowsPerChunk);
  for (let row = chunk * each, end = min(row + each, integer(slot, GegluAt.rows)); row < end; row++) {
    const x = address(slot, GegluAt.x) + 2 * <usize>row * bytes;
    const out = address(slot, GegluAt.out) + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
      const four = i < fours;
      const gate = read(x + bytes + i, four);
      write(out + i, f32x4.mul(f32x4.mul(read(x + i, four), gate), phi(gate)), four);
    }
  }
}

/** Its gradient: for the hidden features dy x gate x Phi(gate), for the gates dy x hidden x the slope of gate x Phi(gate). */
export function gegluGradient(slot: usize, chunk: i32): void {
  const bytes = <usize>integer(slot, GegluAt.features) << 2;
  const fours = bytes & ~15;
  const each = integer(slot, GegluAt.rowsPerChunk);
  for (let row = chunk * each, end = min(row + each, integer(slot, GegluAt.rows)); row < end; row++) {
    const x = address(slot, GegluAt.x) + 2 * <usize>row * bytes, out = address(slot, GegluAt.out) + 2 * <usize>row * bytes;
    const dy = address(slot, GegluAt.dy) + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
      const four = i < fours;
      const given = read(dy + i, four), gate = read(x + bytes + i, four), share = phi(gate);
      const density = f32x4.mul(exp(f32x4.mul(f32x4.splat(-0.5), f32x4.mul(gate, gate))), f32x4.splat(0.398942280));
      const slope = f32x4.add(share, f32x4.mul(gate, density));
      write(out + i, f32x4.mul(given, f32x4.mul(gate, share)), four);
      write(out + bytes + i, f32x4.mul(f32x4.mul(given, read(x + i, four)), slope), four);
    }
  }
}

/** x sigmoid(slope x): SiLU with a slope of 1, CLIP's approximation of gelu with 1.702. */
export function silu(slot: usize, chunk: i32): void {
  const x = address(slot, SiluAt.x), out = address(slot, SiluAt.out);
  const slope = f32x4.splat(float(slot, SiluAt.slope));
  const end = endOf(slot, chunk, SiluAt.numbers);
  for (let i = startOf(slot, chunk, SiluAt.numbers); i < end; i += i + 16 <= end ? 16 : 4) {
    const four = i + 16 <= end;
    const value = read(x + i, four);
    write(out + i, f32x4.mul(value, sigmoid(f32x4.mul(slope, value))), four);
  }
}

/** a + b, a - b, a x b or a / b. */
export function arithmetic(slot: usize, chunk: i32): void {
  const a = address(slot, ArithmeticAt.a), b = address(slot, ArithmeticAt.b), out = address(slot, ArithmeticAt.out);
  const operation = integer(slot, ArithmeticAt.operation), isOne = integer(slot, ArithmeticAt.isOne) != 0;
  const end = endOf(slot, chunk, ArithmeticAt.numbers);
  for (let i = startOf(slot, chunk, ArithmeticAt.numbers); i < end; i += i + 16 <= end ? 16 : 4) {
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
 * The byte offset where a chunk of a long row of numbers starts.
 *
 * @param numbers the place of the parameter for their number; the next one is the number per chunk
 */
function startOf(slot: usize, chunk: i32, numbers: i32): usize {
  return <usize>chunk * address(slot, numbers + 1) << 2;
}

function endOf(slot: usize, chunk: i32, numbers: i32): usize {
  return min(startOf(slot, chunk + 1, numbers), address(slot, numbers) << 2);
}
