import * as tf from '@tensorflow/tfjs';
import { rowsPerChunk, type WasmKernel } from './wasmKernel';
import { Job, SumAt } from './wasmLayout';
import { placed } from './wasmPool';

/** Replaces tfjs's `Sum` along one axis other than the last; else uses `plain`. */
export function sumOr(plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const { x } = inputs;
    const [axis, ...others] = tf.util.parseAxisParam(attrs.axis, x.shape);
    if (x.dtype !== 'float32' || others.length > 0 || axis === undefined || axis === x.shape.length - 1)
      return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    const out = backend.makeOutput([...before, ...(attrs.keepDims ? [1] : []), ...after], 'float32');
    const [outer, inner] = [before, after].map(tf.util.sizeFromShape);
    const each = 4 * rowsPerChunk((outer * inner) / 4, 4, pool.threads);
    const parts = Math.ceil(inner / each);
    const parameters = placed(SumAt, {
      x: pool.address(x),
      out: pool.address(out),
      axis: x.shape[axis],
      inner,
      parts,
      perPart: each,
    });
    pool.run(Job.sum, outer * parts, parameters, 2 * tf.util.sizeFromShape(x.shape));
    return out;
  };
}
