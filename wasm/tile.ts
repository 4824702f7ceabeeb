import * as layout from '../src/backend/wasmLayout';

/** As addresses, in usize. */
export const TILE_BYTES: usize = layout.TILE_BYTES;
export const LINE_BYTES: usize = layout.LINE_BYTES;

/**
 * Computes a tile of a product: ROWS x COLUMNS sums over `taps` runs of `inner` numbers each.
 *
 * @param rows the addresses of each row's runs: taps x ROWS of them
 * @param panel the other operand in order of use: taps x inner x COLUMNS numbers
 * @param bias COLUMNS numbers that the sums start from
 * @param out the results, `stride` bytes from row to row
 */
export function tile(rows: usize, taps: i32, inner: i32, panel: usize, bias: usize, out: usize, stride: usize): void {
  let p0 = v128.load(bias), p1 = v128.load(bias, 16);
  let q0 = p0, q1 = p1, r0 = p0, r1 = p1, s0 = p0, s1 = p1;
  for (const end = rows + 16 * <usize>taps; rows < end; rows += 16) {
    let p = <usize>load<u32>(rows), q = <usize>load<u32>(rows, 4), r = <usize>load<u32>(rows, 8), s = <usize>load<u32>(rows, 12);
    for (const last = panel + LINE_BYTES * <usize>inner; panel < last; panel += LINE_BYTES) {
      const b0 = v128.load(panel), b1 = v128.load(panel, 16);
      let a = v128.load_splat<f32>(p);
      p0 = f32x4.add(p0, f32x4.mul(a, b0));
      p1 = f32x4.add(p1, f32x4.mul(a, b1));
      a = v128.load_splat<f32>(q);
      q0 = f32x4.add(q0, f32x4.mul(a, b0));
      q1 = f32x4.add(q1, f32x4.mul(a, b1));
      a = v128.load_splat<f32>(r);
      r0 = f32x4.add(r0, f32x4.mul(a, b0));
      r1 = f32x4.add(r1, f32x4.mul(a, b1));
      a = v128.load_splat<f32>(s);
      s0 = f32x4.add(s0, f32x4.mul(a, b0));
      s1 = f32x4.add(s1, f32x4.mul(a, b1));
      p += 4; q += 4; r += 4; s += 4;
    }
  }
  v128.store(out, p0); v128.store(out, p1, 16); out += stride;
  v128.store(out, q0); v128.store(out, q1, 16); out += stride;
  v128.store(out, r0); v128.store(out, r1, 16); out += stride;
  v128.store(out, s0); v128.store(out, s1, 16);
}

/** Copies the part of a tile that belongs to the result. */
export function storePart(from: usize, rows: i32, columns: i32, out: usize, stride: usize): void {
  for (let row = 0; row < rows; row++) memory.copy(out + <usize>row * stride, from + <usize>row * LINE_BYTES, <usize>columns << 2);
}
