import * as tf from '@tensorflow/tfjs';
import { rowsPerChunk, type WasmCall, type WasmKernel } from './wasmKernel';
import { Job } from './wasmLayout';
import { bitsOf } from './wasmPool';

/** For `LayerNorm` (src/nn/layerNorm.ts). */
export const layerNorm: WasmKernel = (call) => layerNormJob(Job.layerNorm, call);

export const layerNormGradient: WasmKernel = (call) => layerNormJob(Job.layerNormGradient, call, [call.inputs.dy]);

/** @param more tensors that the job is given behind the others */
function layerNormJob(
  job: Job,
  { inputs: { x, weight, bias }, attrs: { epsilon }, backend, pool }: WasmCall,
  more: readonly tf.TensorInfo[] = [],
): tf.TensorInfo {
  const size = tf.util.sizeFromShape(x.shape);
  const features = x.shape[x.shape.length - 1];
  const rows = size / features;
  const each = rowsPerChunk(rows, features, pool.threads);
  const out = backend.makeOutput(x.shape, 'float32');
  const addresses = [x, weight, bias, out].map((tensor) => pool.address(tensor));
  const others = more.map((tensor) => pool.address(tensor));
  pool.run(job, Math.ceil(rows / each), [...addresses, rows, features, each, bitsOf(epsilon), ...others], 8 * size);
  return out;
}

/** Of a cache's lines, which hold 16 numbers, a slab of channels takes two. */
const SLAB = 32;

/** For `GroupNorm` (src/nn/groupNorm.ts); then SiLU if told. */
export const groupNorm: WasmKernel = (call) => groupNormJob(Job.groupNorm, call);

export const groupNormGradient: WasmKernel = (call) => groupNormJob(Job.groupNormGradient, call, [call.inputs.dy]);

function groupNormJob(
  job: Job,
  { inputs: { x, weight, bias }, attrs: { groups, epsilon, silu }, backend, pool }: WasmCall,
  more: readonly tf.TensorInfo[] = [],
): tf.TensorInfo {
  const [rows, height, width, channels] = x.shape;
  const group = channels / groups;
  const slab = group * wholeShare(groups, Math.ceil(SLAB / group));
  const slabs = channels / slab;
  const each = slab * (8 + 5 * 4);
  const out = backend.makeOutput(x.shape, 'float32');
  const scratch = pool.reserve(pool.threads * each);
  const addresses = [x, weight, bias, out].map((tensor) => pool.address(tensor));
  const others = more.map((tensor) => pool.address(tensor));
  const sizes = [height * width, channels, group, slab, slabs, bitsOf(epsilon), silu, scratch, each];
  pool.run(job, rows * slabs, [...addresses, ...sizes, ...others], 8 * tf.util.sizeFromShape(x.shape));
  pool.release(scratch);
  return out;
}

/** The smallest number from `least` on that divides `whole`, or `whole` itself. */
function wholeShare(whole: number, least: number): number {
  for (let share = least; share < whole; share++) if (whole % share === 0) return share;
  return whole;
}
