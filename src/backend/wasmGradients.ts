import * as tf from '@tensorflow/tfjs';
import type { WasmCall, WasmKernel } from './wasmKernel';
import { Job, TurnedFilterAt } from './wasmLayout';
import { placed } from './wasmPool';

/** For `turned` (src/nn/convolution.ts). */
export const turnedFilter: WasmKernel = ({ inputs: { filter }, backend, pool }) => {
  const [height, width, inputs, outputs] = filter.shape;
  const out = backend.makeOutput([height, width, outputs, inputs], 'float32');
  const taps = height * width;
  const parameters = placed(TurnedFilterAt, {
    filter: pool.address(filter),
    out: pool.address(out),
    taps,
    inputs,
    outputs,
  });
  pool.run(Job.turnedFilter, taps, parameters, 2 * taps * inputs * outputs);
  return out;
};

/** The gradient of `tf.gather`, which the wasm backend lacks: sums the rows with the same segment id. */
export const unsortedSegmentSum: WasmKernel = ({
  inputs: { x, segmentIds },
  attrs: { numSegments },
  backend,
  pool,
}) => {
  const [rows, ...rest] = x.shape;
  const out = backend.makeOutput([numSegments, ...rest], 'float32');
  pool.settle();
  const [from, ids, to] = [x, segmentIds, out].map((tensor) => backend.typedArrayFromHeap(tensor));
  const size = tf.util.sizeFromShape(rest);
  to.fill(0);
  for (let row = 0; row < rows; row++) {
    if (ids[row] < 0 || ids[row] >= numSegments) continue;
    for (let i = 0; i < size; i++) to[ids[row] * size + i] += from[row * size + i];
  }
  return out;
};

/** Gradients of convolutions that the wasm backend lacks and nothing here needs: slow but correct. */
export const BORROWED = [
  'Conv2DBackpropFilter',
  'DepthwiseConv2dNativeBackpropFilter',
  'DepthwiseConv2dNativeBackpropInput',
] as const;

/** Computes with the kernel of that name from tfjs's JavaScript backend, `cpu`. */
export function borrowed(kernelName: (typeof BORROWED)[number]): WasmKernel {
  return ({ inputs, attrs, backend, pool }: WasmCall) => {
    const cpu = tf.findBackend('cpu');
    pool.settle();
    const lent = Object.fromEntries(
      Object.entries(inputs).map(([name, { dataId, shape, dtype }]) => {
        const values = backend.readSync(dataId).slice() as Float32Array;
        return [name, { dataId: cpu.write(values, shape, dtype), shape, dtype }];
      }),
    );
    const { kernelFunc } = tf.getKernel(kernelName, 'cpu');
    const { dataId, shape, dtype } = kernelFunc({ inputs: lent, attrs, backend: cpu }) as tf.TensorInfo;
    const out = backend.makeOutput(shape, dtype, undefined, cpu.readSync(dataId));
    for (const tensor of [...Object.values(lent), { dataId }]) cpu.disposeData(tensor.dataId);
    return out;
  };
}
