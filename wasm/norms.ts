import { address, float, integer } from './pool';
import { read, sigmoid, sumOf, write } from './vector';

/** Each row along its last axis. Parameters: x, weight, bias, out, rows, features, rows a chunk, epsilon. */
export function layerNorm(slot: usize, chunk: i32): void {
  const weight = address(slot, 1), bias = address(slot, 2);
  const features = integer(slot, 5);
  const bytes = <usize>features << 2;
  const each = integer(slot, 6);
  for (let row = chunk * each, end = min(row + each, integer(slot, 4)); row < end; row++) {
    const offset = <usize>row * bytes;
    normalise(address(slot, 0) + offset, weight, bias, address(slot, 3) + offset, features, float(slot, 7));
  }
}

function normalise(x: usize, weight: usize, bias: usize, out: usize, features: i32, epsilon: f32): void {
  const bytes = <usize>features << 2;
  const fours = bytes & ~15;
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) sums = f32x4.add(sums, read(x + i, i < fours));
  const mean = sumOf(sums) / <f32>features;

  let squares: f32 = 0;
  let squaresOfFour = f32x4.splat(0);
  const means = f32x4.splat(mean);
  for (let i: usize = 0; i < fours; i += 16) {
    const centred = f32x4.sub(v128.load(x + i), means);
    squaresOfFour = f32x4.add(squaresOfFour, f32x4.mul(centred, centred));
  }
  for (let i = fours; i < bytes; i += 4) {
    const centred = load<f32>(x + i) - mean;
    squares += centred * centred;
  }
  const inverse = f32x4.splat(1 / sqrt<f32>((squares + sumOf(squaresOfFour)) / <f32>features + epsilon));

  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
    const four = i < fours;
    const normal = f32x4.mul(f32x4.sub(read(x + i, four), means), inverse);
    write(out + i, f32x4.add(f32x4.mul(normal, read(weight + i, four)), read(bias + i, four)), four);
  }
}

/** Of so many pixels the sum is kept in float32 before it goes to a float64: a larger picture's would grow inexact. */
const PIXELS: i32 = 256;

/**
 * Some groups of channels of one picture, then SiLU if told: a chunk is a slab of channels that holds whole groups.
 * Parameters: x, weight, bias, out, pixels, channels, channels a group, channels a slab, slabs, epsilon, silu, scratch,
 * its bytes a thread.
 */
export function groupNorm(slot: usize, chunk: i32, thread: i32): void {
  const pixels = integer(slot, 4), channels = integer(slot, 5);
  const slab = integer(slot, 7), slabs = integer(slot, 8);
  const row = chunk / slabs;
  const first = <usize>((chunk % slabs) * slab) << 2;
  const stride = <usize>channels << 2;
  const offset = <usize>row * <usize>pixels * stride + first;
  const x = address(slot, 0) + offset;
  // For each channel: a sum, its mean, its scale, its shift
  const sums = address(slot, 11) + <usize>thread * address(slot, 12);
  const means = sums + (<usize>slab << 3), scales = means + (<usize>slab << 2), shifts = scales + (<usize>slab << 2);
  const group = integer(slot, 6);
  const count = <f64>group * <f64>pixels;

  memory.fill(means, 0, <usize>slab << 2);
  channelSums(x, pixels, stride, slab, means, false, sums);
  for (let c = 0; c < slab; c++) store<f32>(means + (<usize>c << 2), <f32>(groupSum(sums, c, group) / count));
  channelSums(x, pixels, stride, slab, means, true, sums);
  for (let c = 0; c < slab; c++) {
    const at = <usize>c << 2;
    const inverse = 1 / sqrt<f64>(groupSum(sums, c, group) / count + <f64>float(slot, 9));
    const scale = <f64>load<f32>(address(slot, 1) + first + at) * inverse;
    store<f32>(scales + at, <f32>scale);
    store<f32>(shifts + at, <f32>(<f64>load<f32>(address(slot, 2) + first + at) - <f64>load<f32>(means + at) * scale));
  }
  if (integer(slot, 10)) scaleAndShift(x, pixels, stride, slab, scales, shifts, true, address(slot, 3) + offset);
  else scaleAndShift(x, pixels, stride, slab, scales, shifts, false, address(slot, 3) + offset);
}

/** The sum of a channel's whole group. */
function groupSum(sums: usize, channel: i32, group: i32): f64 {
  let sum: f64 = 0;
  for (let c = channel - (channel % group), end = c + group; c < end; c++) sum += load<f64>(sums + (<usize>c << 3));
  return sum;
}

/** For each channel the sum over the pixels of x - mean, or of its square. */
function channelSums(x: usize, pixels: i32, stride: usize, channels: i32, means: usize, squared: bool, sums: usize): void {
  const bytes = <usize>channels << 2;
  for (let c: usize = 0; c < bytes; c += c + 16 <= bytes ? 16 : 4) {
    const four = c + 16 <= bytes;
    const mean = read(means + c, four);
    let low = f64x2.splat(0), high = f64x2.splat(0);
    for (let start = 0; start < pixels; start += PIXELS) {
      const at = x + c + <usize>start * stride;
      const sum = stretchSum(at, at + <usize>min(PIXELS, pixels - start) * stride, stride, mean, squared, four);
      low = f64x2.add(low, f64x2.promote_low_f32x4(sum));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i32>(sum, sum, 2, 3, 2, 3)));
    }
    const to = sums + (c << 1);
    if (four) {
      v128.store(to, low);
      v128.store(to, high, 16);
    } else {
      store<f64>(to, f64x2.extract_lane(low, 0));
    }
  }
}

function stretchSum(from: usize, to: usize, stride: usize, mean: v128, squared: bool, four: bool): v128 {
  let sum = f32x4.splat(0);
  if (squared) {
    for (; from < to; from += stride) {
      const centred = f32x4.sub(read(from, four), mean);
      sum = f32x4.add(sum, f32x4.mul(centred, centred));
    }
  } else {
    for (; from < to; from += stride) sum = f32x4.add(sum, read(from, four));
  }
  return sum;
}

// @ts-ignore: decorator
@inline
function scaleAndShift(x: usize, pixels: i32, stride: usize, channels: i32, scales: usize, shifts: usize, withSilu: bool, out: usize): void {
  const bytes = <usize>channels << 2;
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let c: usize = 0; c < bytes; c += c + 16 <= bytes ? 16 : 4) {
      const four = c + 16 <= bytes;
      let y = f32x4.add(f32x4.mul(read(x + c, four), read(scales + c, four)), read(shifts + c, four));
      if (withSilu) y = f32x4.mul(y, sigmoid(y));
      write(out + c, y, four);
    }
    x += stride;
    out += stride;
  }
}
