import * as tf from '@tensorflow/tfjs';
import { rowsPerChunk, type WasmCall, type WasmKernel } from './wasmKernel';
import { GroupNormAt, Job, LayerNormAt } from './wasmLayout';
import { bitsOf, placed } from './wasmPool';

/** For `LayerNorm` (src/nn/layerNorm.ts). */
export const layerNorm: WasmKernel = (call) => layerNormJob(Job.layerNorm, call);

export const layerNormGradient: WasmKernel = (call) => layerNormJob(Job.layerNormGradient, call);

function layerNormJob(
  job: Job,
  { inputs: { x, weight, bias, dy }, attrs: { epsilon }, backend, pool }: WasmCall,
): tf.TensorInfo {
  const size = tf.util.sizeFromShape(x.shape);
  const features = x.shape[x.shape.length - 1];
  const rows = size / features;
  const each = rowsPerChunk(rows, features, pool.threads);
  const out = backend.makeOutput(x.shape, 'float32');
  const parameters = placed(LayerNormAt, {
    x: pool.address(x),
    weight: pool.address(weight),
    bias: pool.address(bias),
    out: pool.address(out),
    dy: dy ? pool.address(dy) : 0,
    rows,
    features,
    rowsPerChunk: each,
    epsilon: bitsOf(epsilon),
  });
  pool.run(job, Math.ceil(rows / each), parameters, 8 * size);
  return out;
}

/** A slab of channels takes two cache lines, which hold 16 numbers each. */
const SLAB = 32;

/** For `GroupNorm` (src/nn/groupNorm.ts), optionally followed by SiLU. */
export const groupNorm: WasmKernel = (call) => groupNormJob(Job.groupNorm, call);

export const groupNormGradient: WasmKernel = (call) => groupNormJob(Job.groupNormGradient, call);

function groupNormJob(
  job: Job,
  { inputs: { x, weight, bias, dy }, attrs: { groups, epsilon, silu }, backend, pool }: WasmCall,
): tf.TensorInfo {
  const [rows, height, width, channels] = x.shape;
  const group = channels / groups;
  const slab = group * wholeShare(groups, Math.ceil(SLAB / group));
  const slabs = channels / slab;
  const each = slab * (8 + 5 * 4);
  const out = backend.makeOutput(x.shape, 'float32');
  const scratch = pool.reserve(pool.threads * each);
  const parameters = placed(GroupNormAt, {
    x: pool.address(x),
    weight: pool.address(weight),
    bias: pool.address(bias),
    out: pool.address(out),
    dy: dy ? pool.address(dy) : 0,
    pixels: height * width,
    channels,
    group,
    slab,
    slabs,
    epsilon: bitsOf(epsilon),
    silu,
    scratch,
    scratchBytes: each,
  });
  pool.run(job, rows * slabs, parameters, 8 * tf.util.sizeFromShape(x.shape));
  pool.release(scratch);
  return out;
}

/** The smallest divisor of `whole` that is at least `least`, or `whole` itself. */
function wholeShare(whole: number, least: number): number {
  for (let share = least; share < whole; share++) if (whole % share === 0) return share;
  return whole;
}
