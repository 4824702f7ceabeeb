import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { FusedKernel } from './fused';

/**
 * GEGLU for the wasm backend in one pass over memory, with the normal distribution's Phi from a table.
 *
 * tfjs takes seven passes, of which erf is a call of the C library for every number and the split a call for every row: together a
 * tenth of the time of a small UNet.
 */

/** Beyond it, float32 tells Phi(x) neither from 0 nor from 1. */
const END = 5.5;
/** Of the table, in each unit of x: the straight lines between neighbours are less than 1.2e-7 off. */
const STEPS = 512;

const KERNEL: FusedKernel = 'P2pGeglu';

/** Gives the wasm backend a kernel of its own for `geglu` (src/nn/activations.ts); again, it does nothing. */
export function registerWasmGeglu(): void {
  if (!tf.getKernel(KERNEL, 'wasm')) tf.registerKernel({ kernelName: KERNEL, backendName: 'wasm', kernelFunc: geglu });
}

const geglu: tf.KernelFunc = ({ inputs, backend }) => {
  const wasm = backend as BackendWasm;
  const x = inputs['x'] as tf.TensorInfo;
  const features = x.shape[x.shape.length - 1] / 2;
  const out = wasm.makeOutput([...x.shape.slice(0, -1), features], 'float32');
  // The views come after the output was made: making it may move the memory.
  gate(wasm.typedArrayFromHeap(x) as Float32Array, wasm.typedArrayFromHeap(out) as Float32Array, features);
  return out;
};

let table: Float32Array | undefined;

/** out = hidden x gate x Phi(gate), where each row of x has the hidden features and then the gates. */
function gate(x: Float32Array, out: Float32Array, features: number): void {
  const phi = (table ??= tabulatePhi());
  const last = phi.length - 2;
  for (let start = 0; start < out.length; start += features) {
    for (let i = start; i < start + features; i++) {
      const g = x[i + start + features];
      const position = Math.max(0, Math.min(last, (g + END) * STEPS));
      const before = position | 0;
      const below = phi[before];
      out[i] = x[i + start] * g * (below + (position - before) * (phi[before + 1] - below));
    }
  }
}

/** Phi from -END to END: its density, summed up from 0 by Simpson's rule. One entry more than needed lets every entry have a next. */
function tabulatePhi(): Float32Array {
  const density = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  const half = END * STEPS;
  const values = new Float32Array(2 * half + 2).fill(1);
  let sum = 0;
  for (let i = 0; i < half; i++) {
    values[half + i] = 0.5 + sum;
    values[half - i] = 0.5 - sum;
    const t = i / STEPS;
    sum += (density(t) + 4 * density(t + 0.5 / STEPS) + density(t + 1 / STEPS)) / (6 * STEPS);
  }
  values[0] = 0;
  return values;
}
