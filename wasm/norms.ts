import { GroupNormAt, LayerNormAt } from '../src/backend/wasmLayout';
import { address, float, integer } from './pool';
import { read, sigmoid, siluSlope, sumOf, write } from './vector';

/** Normalises each row along the last axis. */
export function layerNorm(slot: usize, chunk: i32): void {
  const weight = address(slot, LayerNormAt.weight), bias = address(slot, LayerNormAt.bias);
  const features = integer(slot, LayerNormAt.features);
  const bytes = <usize>features << 2;
  const each = integer(slot, LayerNormAt.rowsPerChunk);
  for (let row = chunk * each, end = min(row + each, integer(slot, LayerNormAt.rows)); row < end; row++) {
    const offset = <usize>row * bytes;
    normalise(address(slot, LayerNormAt.x) + offset, weight, bias, address(slot, LayerNormAt.out) + offset, features, float(slot, LayerNormAt.epsilon));
  }
}

function normalise(x: usize, weight: usize, bias: usize, out: usize, features: i32, epsilon: f32): void {
  const bytes = <usize>features << 2;
  const fours = bytes & ~15;
  const mean = meanOf(x, features);
  const means = f32x4.splat(mean), inverse = f32x4.splat(inverseStd(x, mean, features, epsilon));
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
    const four = i < fours;
    const normal = f32x4.mul(f32x4.sub(read(x + i, four), means), inverse);
    write(out + i, f32x4.add(f32x4.mul(normal, read(weight + i, four)), read(bias + i, four)), four);
  }
}

function meanOf(x: usize, features: i32): f32 {
  const bytes = <usize>features << 2;
  const fours = bytes & ~15;
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) sums = f32x4.add(sums, read(x + i, i < fours));
  return sumOf(sums) / <f32>features;
}

/** 1 / sqrt(variance + epsilon) */
function inverseStd(x: usize, mean: f32, features: i32, epsilon: f32): f32 {
  const bytes = <usize>features << 2;
  const fours = bytes & ~15;
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
  return 1 / sqrt<f32>((squares + sumOf(squaresOfFour)) / <f32>features + epsilon);
}

/** Writes the gradient with respect to x to `out`; `dy` is the one with respect to y, and `bias` is not read. */
export function layerNormGradient(slot: usize, chunk: i32): void {
  const weight = address(slot, LayerNormAt.weight);
  const features = integer(slot, LayerNormAt.features);
  const bytes = <usize>features << 2;
  const each = integer(slot, LayerNormAt.rowsPerChunk);
  for (let row = chunk * each, end = min(row + each, integer(slot, LayerNormAt.rows)); row < end; row++) {
    const offset = <usize>row * bytes;
    normGradient(address(slot, LayerNormAt.x) + offset, weight, address(slot, LayerNormAt.dy) + offset, address(slot, LayerNormAt.out) + offset, features, float(slot, LayerNormAt.epsilon));
  }
}

function normGradient(x: usize, weight: usize, dy: usize, out: usize, features: i32, epsilon: f32): void {
  const bytes = <usize>features << 2;
  const fours = bytes & ~15;
  const mean = meanOf(x, features), inverse = inverseStd(x, mean, features, epsilon);
  let sums = f32x4.splat(0), products = f32x4.splat(0);
  const means = f32x4.splat(mean);
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
    const four = i < fours;
    const scaled = f32x4.mul(read(dy + i, four), read(weight + i, four));
    sums = f32x4.add(sums, scaled);
    products = f32x4.add(products, f32x4.mul(scaled, f32x4.sub(read(x + i, four), means)));
  }
  const shift = f32x4.splat(sumOf(sums) / <f32>features), slope = f32x4.splat((inverse * inverse * sumOf(products)) / <f32>features);
  for (let i: usize = 0; i < bytes; i += i < fours ? 16 : 4) {
    const four = i < fours;
    const scaled = f32x4.mul(read(dy + i, four), read(weight + i, four));
    const along = f32x4.add(shift, f32x4.mul(slope, f32x4.sub(read(x + i, four), means)));
    write(out + i, f32x4.mul(f32x4.splat(inverse), f32x4.sub(scaled, along)), four);
  }
}

/** How many pixels are summed in float32 before adding to a float64: for more, the sum would become inexact. */
const PIXELS: i32 = 256;

/** Group norm of one picture, optionally followed by SiLU. A chunk is a slab of channels that holds whole groups. */
export function groupNorm(slot: usize, chunk: i32, thread: i32): void {
  const pixels = integer(slot, GroupNormAt.pixels), slab = integer(slot, GroupNormAt.slab);
  const stride = <usize>integer(slot, GroupNormAt.channels) << 2;
  const offset = slabOffset(slot, chunk), x = address(slot, GroupNormAt.x) + offset;
  const scratch = address(slot, GroupNormAt.scratch) + <usize>thread * address(slot, GroupNormAt.scratchBytes);
  const scales = scratch + (<usize>slab * 12), shifts = scales + (<usize>slab << 2);
  moments(slot, chunk, x, scratch);
  if (integer(slot, GroupNormAt.silu)) scaleAndShift(x, pixels, stride, slab, scales, shifts, true, address(slot, GroupNormAt.out) + offset);
  else scaleAndShift(x, pixels, stride, slab, scales, shifts, false, address(slot, GroupNormAt.out) + offset);
}

/** The byte offset in x where a chunk's slab begins. */
function slabOffset(slot: usize, chunk: i32): usize {
  const slabs = integer(slot, GroupNormAt.slabs), channels = integer(slot, GroupNormAt.channels);
  return (<usize>(chunk / slabs) * <usize>integer(slot, GroupNormAt.pixels) * <usize>channels + firstChannel(slot, chunk)) << 2;
}

function firstChannel(slot: usize, chunk: i32): usize {
  return <usize>((chunk % integer(slot, GroupNormAt.slabs)) * integer(slot, GroupNormAt.slab));
}

/**
 * Writes, for all channels of a slab, the sums (8 bytes each), then the group's means, then the scales, then the
 * shifts.
 */
function moments(slot: usize, chunk: i32, x: usize, sums: usize): void {
  const pixels = integer(slot, GroupNormAt.pixels), slab = integer(slot, GroupNormAt.slab), group = integer(slot, GroupNormAt.group);
  const first = firstChannel(slot, chunk) << 2;
  const stride = <usize>integer(slot, GroupNormAt.channels) << 2;
  const means = sums + (<usize>slab << 3), scales = means + (<usize>slab << 2), shifts = scales + (<usize>slab << 2);
  const count = <f64>group * <f64>pixels;
  memory.fill(means, 0, <usize>slab << 2);
  channelSums(x, pixels, stride, slab, means, false, sums);
  for (let c = 0; c < slab; c++) store<f32>(means + (<usize>c << 2), <f32>(groupSum(sums, c, group) / count));
  channelSums(x, pixels, stride, slab, means, true, sums);
  for (let c = 0; c < slab; c++) {
    const at = <usize>c << 2;
    const inverse = 1 / sqrt<f64>(groupSum(sums, c, group) / count + <f64>float(slot, GroupNormAt.epsilon));
    const scale = <f64>load<f32>(address(slot, GroupNormAt.weight) + first + at) * inverse;
    store<f32>(scales + at, <f32>scale);
    store<f32>(shifts + at, <f32>(<f64>load<f32>(address(slot, GroupNormAt.bias) + first + at) - <f64>load<f32>(means + at) * scale));
  }
}

/**
 * Writes the gradient with respect to x to `out`; `dy` is the one with respect to y. Scratch holds two more sums per
 * channel.
 */
export function groupNormGradient(slot: usize, chunk: i32, thread: i32): void {
  const pixels = integer(slot, GroupNormAt.pixels), slab = integer(slot, GroupNormAt.slab), group = integer(slot, GroupNormAt.group), withSilu = integer(slot, GroupNormAt.silu) != 0;
  const stride = <usize>integer(slot, GroupNormAt.channels) << 2, bytes = <usize>slab << 2;
  const offset = slabOffset(slot, chunk), x = address(slot, GroupNormAt.x) + offset, dy = address(slot, GroupNormAt.dy) + offset, out = address(slot, GroupNormAt.out) + offset;
  const sums = address(slot, GroupNormAt.scratch) + <usize>thread * address(slot, GroupNormAt.scratchBytes);
  const means = sums + 2 * bytes, scales = means + bytes, shifts = scales + bytes, plain = shifts + bytes, centred = plain + bytes;
  moments(slot, chunk, x, sums);
  for (let c: usize = 0; c < bytes; c += c + 16 <= bytes ? 16 : 4) {
    gradientSums(x + c, dy + c, pixels, stride, means + c, scales + c, shifts + c, withSilu, out + c, plain + c, centred + c, c + 16 <= bytes);
  }
  // dx = scale dy - shift - slope (x - mean), where each group has one shift and one slope.
  const count = <f64>group * <f64>pixels;
  for (let start = 0; start < slab; start += group) {
    let ofPlain: f64 = 0, ofCentred: f64 = 0;
    for (let c = start; c < start + group; c++) {
      const at = <usize>c << 2, scale = <f64>load<f32>(scales + at);
      ofPlain += scale * <f64>load<f32>(plain + at);
      ofCentred += scale * <f64>load<f32>(centred + at);
    }
    const variance = groupSum(sums, start, group) / count + <f64>float(slot, GroupNormAt.epsilon);
    for (let c = start; c < start + group; c++) {
      store<f32>(plain + (<usize>c << 2), <f32>(ofPlain / count));
      store<f32>(centred + (<usize>c << 2), <f32>(ofCentred / count / variance));
    }
  }
  for (let pixel: usize = 0; pixel < <usize>pixels; pixel++) {
    const at = pixel * stride;
    for (let c: usize = 0; c < bytes; c += c + 16 <= bytes ? 16 : 4) {
      const four = c + 16 <= bytes;
      const along = f32x4.mul(read(centred + c, four), f32x4.sub(read(x + at + c, four), read(means + c, four)));
      const scaled = f32x4.mul(read(scales + c, four), read(out + at + c, four));
      write(out + at + c, f32x4.sub(f32x4.sub(scaled, read(plain + c, four)), along), four);
    }
  }
}

/**
 * For four channels or one: the gradient before SiLU, its sum over all pixels, and the sum of its product with x -
 * mean.
 */
// @ts-ignore: decorator
@inline
function gradientSums(x: usize, dy: usize, pixels: i32, stride: usize, means: usize, scales: usize, shifts: usize, withSilu: bool, out: usize, plain: usize, centred: usize, four: bool): void {
  const mean = read(means, four), scale = read(scales, four), shift = read(shifts, four);
  let sum = f32x4.splat(0), product = f32x4.splat(0);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const value = read(x, four);
    let gradient = read(dy, four);
    if (withSilu) gradient = f32x4.mul(gradient, siluSlope(f32x4.add(f32x4.mul(value, scale), shift)));
    write(out, gradient, four);
    sum = f32x4.add(sum, gradient);
    product = f32x4.add(product, f32x4.mul(gradient, f32x4.sub(value, mean)));
    x += stride;
    dy += stride;
    out += stride;
  }
  write(plain, sum, four);
  write(centred, product, four);
}

/** The sum over a channel's whole group. */
function groupSum(sums: usize, channel: i32, group: i32): f64 {
  let sum: f64 = 0;
  for (let c = channel - (channel % group), end = c + group; c < end; c++) sum += load<f64>(sums + (<usize>c << 3));
  return sum;
}

/** For each channel, the sum over the pixels of x - mean, or of its square. */
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
