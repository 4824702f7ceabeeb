/** Functions on vectors of four numbers. */

/** e^x to within 2 units in the last place: 2^n times a Taylor series over a range as wide as ln 2. */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const low = f32x4.splat(-87.3);
  const near = f32x4.min(f32x4.max(x, low), f32x4.splat(88.7));
  const n = f32x4.nearest(f32x4.mul(near, f32x4.splat(1.44269504)));
  // ln 2 in two parts, the first with few enough digits for an exact product
  let r = f32x4.sub(near, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)));
  let y = f32x4.add(f32x4.splat(1.0 / 120), f32x4.mul(r, f32x4.splat(1.0 / 720)));
  y = f32x4.add(f32x4.splat(1.0 / 24), f32x4.mul(r, y));
  y = f32x4.add(f32x4.splat(1.0 / 6), f32x4.mul(r, y));
  y = f32x4.add(f32x4.splat(0.5), f32x4.mul(r, y));
  y = f32x4.add(f32x4.splat(1), f32x4.mul(r, y));
  y = f32x4.add(f32x4.splat(1), f32x4.mul(r, y));
  const scaled = i32x4.add(y, i32x4.shl(i32x4.trunc_sat_f32x4_s(n), 23));
  return v128.andnot(scaled, f32x4.lt(x, low));
}

/** 1 / (1 + e^-x) */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** The derivative of x sigmoid(x). */
// @ts-ignore: decorator
@inline
export function siluSlope(x: v128): v128 {
  const one = f32x4.splat(1), gate = sigmoid(x);
  return f32x4.mul(gate, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, gate))));
}

/** The normal distribution function Phi to within 1e-7 (Abramowitz and Stegun 1964, 7.1.26). */
// @ts-ignore: decorator
@inline
export function phi(x: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.707106781));
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(z, f32x4.splat(0.3275911))));
  let y = f32x4.add(f32x4.splat(-1.453152027), f32x4.mul(t, f32x4.splat(1.061405429)));
  y = f32x4.add(f32x4.splat(1.421413741), f32x4.mul(t, y));
  y = f32x4.add(f32x4.splat(-0.284496736), f32x4.mul(t, y));
  y = f32x4.add(f32x4.splat(0.254829592), f32x4.mul(t, y));
  const tail = f32x4.mul(f32x4.mul(f32x4.splat(0.5), f32x4.mul(t, y)), exp(f32x4.neg(f32x4.mul(z, z))));
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
export function sumOf(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

// @ts-ignore: decorator
@inline
export function largestOf(x: v128): f32 {
  return max(max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)), max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)));
}

/** Reads four numbers, or one followed by three zeros if fewer than four are left. */
// @ts-ignore: decorator
@inline
export function read(at: usize, four: bool): v128 {
  return four ? v128.load(at) : v128.load32_zero(at);
}

/** Writes all four numbers, or only the first. */
// @ts-ignore: decorator
@inline
export function write(at: usize, x: v128, four: bool): void {
  if (four) v128.store(at, x);
  else v128.store_lane<f32>(at, x, 0);
}
