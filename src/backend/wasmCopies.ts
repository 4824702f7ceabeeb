import * as tf from '@tensorflow/tfjs';
import { move, type StridedPlace } from './wasmHeads';
import type { WasmKernel } from './wasmKernel';
import type { WasmPool } from './wasmPool';

/** Replaces tfjs's `Identity`, which copies: tensors are immutable, so both can share the same data. */
export const identity: WasmKernel = ({
  inputs: {
    x: { dataId, shape, dtype },
  },
  backend,
}) => {
  backend.incRef(dataId);
  return { dataId, shape, dtype };
};

/**
 * Replaces tfjs's `Concat`, which copies on one thread in JavaScript; for dtypes other than float32 it uses `plain`,
 * which is tfjs's.
 */
export function concatOr(plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const tensors = Object.values(inputs);
    if (tensors.some(({ dtype }) => dtype !== 'float32')) return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const shapes = tensors.map(({ shape }) => shape);
    const [axis] = tf.util.parseAxisParam(attrs.axis, shapes[0]);
    const out = backend.makeOutput(tf.backend_util.computeOutShape(shapes, axis), 'float32');
    const pieces = tf.util.sizeFromShape(out.shape.slice(0, axis));
    const step = tf.util.sizeFromShape(out.shape.slice(axis));
    let address = pool.address(out);
    for (const tensor of tensors) {
      const size = tf.util.sizeFromShape(tensor.shape.slice(axis));
      copy(pool, pieces, size, { address: pool.address(tensor), step: size }, { address, step });
      address += 4 * size;
    }
    return out;
  };
}

/**
 * Replaces tfjs's `Slice`, which copies all of its input first; uses `plain` if more than one axis is cut or the dtype
 * is not float32.
 */
export function sliceOr(plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const { x } = inputs;
    const { begin, size } = attrs as unknown as { begin: number | number[]; size: number | number[] };
    const [first, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
    const cut = shape.flatMap((count, axis) => (count < x.shape[axis] ? axis : []));
    if (x.dtype !== 'float32' || cut.length > 1) return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const [axis = 0] = cut;
    const out = backend.makeOutput(shape, 'float32');
    const numbers = tf.util.sizeFromShape(shape.slice(axis));
    const step = tf.util.sizeFromShape(x.shape.slice(axis));
    const address = pool.address(x) + 4 * first[axis] * tf.util.sizeFromShape(x.shape.slice(axis + 1));
    copy(
      pool,
      tf.util.sizeFromShape(shape.slice(0, axis)),
      numbers,
      { address, step },
      { address: pool.address(out), step: numbers },
    );
    return out;
  };
}

/** Replaces tfjs's `Reverse` along one axis for float32; else uses `plain`. */
export function reverseOr(plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const { x } = inputs;
    const [axis, ...others] = tf.util.parseAxisParam((attrs as unknown as { dims: number[] }).dims, x.shape);
    if (x.dtype !== 'float32' || others.length > 0 || axis === undefined)
      return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const out = backend.makeOutput(x.shape, 'float32');
    const pieces = tf.util.sizeFromShape(x.shape.slice(0, axis));
    const size = tf.util.sizeFromShape(x.shape.slice(axis + 1));
    const last = (x.shape[axis] - 1) * size;
    const [from, to] = [x, out].map((tensor) => pool.address(tensor));
    move(
      pool,
      [pieces, 1, x.shape[axis], size],
      { address: from + 4 * last, steps: [last + size, 0, -size] },
      { address: to, steps: [last + size, 0, size] },
    );
    return out;
  };
}

/** Replaces tfjs's `ResizeNearestNeighbor` if it enlarges by whole factors; else uses `plain`. */
export function resizeNearestOr(plain: tf.KernelFunc): WasmKernel {
  return ({ inputs, attrs, backend, pool }) => {
    const { images } = inputs;
    const [rows, height, width, channels] = images.shape;
    const {
      size: [toHeight, toWidth],
      alignCorners,
      halfPixelCenters,
    } = attrs as unknown as { size: [number, number]; alignCorners: boolean; halfPixelCenters: boolean };
    const [down, across] = [toHeight / height, toWidth / width];
    if (
      images.dtype !== 'float32' ||
      alignCorners ||
      halfPixelCenters ||
      !Number.isInteger(down) ||
      !Number.isInteger(across)
    )
      return plain({ inputs, attrs, backend }) as tf.TensorInfo;
    const out = backend.makeOutput([rows, toHeight, toWidth, channels], 'float32');
    const from = { address: pool.address(images), steps: [width * channels, 0, channels] };
    for (let pixel = 0; pixel < down * across; pixel++) {
      const first = Math.floor(pixel / across) * toWidth + (pixel % across);
      move(pool, [rows * height, 1, width, channels], from, {
        address: pool.address(out) + 4 * first * channels,
        steps: [down * toWidth * channels, 0, across * channels],
      });
    }
    return out;
  };
}

/** Evenly spaced pieces of memory: the first one's address, and the stride in numbers to the next. */
interface Pieces {
  readonly address: number;
  readonly step: number;
}

/** About how many chunks a copy is divided into: a few per thread. */
const CHUNKS = 16;

function copy(pool: WasmPool, pieces: number, size: number, from: Pieces, to: Pieces): void {
  if (pieces * size === 0) return;
  const groups = largestDivisor(pieces, CHUNKS);
  const parts = largestDivisor(size, Math.floor(CHUNKS / groups));
  const place = ({ address, step }: Pieces): StridedPlace => ({
    address,
    steps: [(pieces / groups) * step, size / parts, step],
  });
  move(pool, [groups, parts, pieces / groups, size / parts], place(from), place(to));
}

function largestDivisor(number: number, most: number): number {
  let divisor = Math.max(1, most);
  while (number % divisor > 0) divisor--;
  return divisor;
}
