import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import { prepareWasm } from '../../src/backend/wasmKernels';

beforeAll(async () => {
  prepareWasm();
  await tf.setBackend('wasm');
});

/** The product as its definition says. */
function reference(
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA = false,
  transposeB = false,
): { shape: number[]; values: number[] } {
  const [left, right] = [a, b].map((x) => ({ shape: x.shape, values: x.dataSync() }));
  const at = (x: typeof left, batch: number[], row: number, column: number): number => {
    const shape = x.shape.slice(0, -2);
    const own = batch.slice(batch.length - shape.length).map((position, axis) => (shape[axis] === 1 ? 0 : position));
    return x.values[[...own, row, column].reduce((index, position, axis) => index * x.shape[axis] + position, 0)];
  };
  const batchShape = tf.broadcast_util.assertAndGetBroadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const [rows, inner] = transposeA ? left.shape.slice(-2).reverse() : left.shape.slice(-2);
  const columns = right.shape[right.shape.length - (transposeB ? 2 : 1)];
  const values: number[] = [];
  for (let n = 0; n < tf.util.sizeFromShape(batchShape); n++) {
    const batch: number[] = [];
    let rest = n;
    for (let axis = batchShape.length - 1; axis >= 0; axis--) {
      batch.unshift(rest % batchShape[axis]);
      rest = Math.floor(rest / batchShape[axis]);
    }
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          sum +=
            (transposeA ? at(left, batch, k, i) : at(left, batch, i, k)) *
            (transposeB ? at(right, batch, j, k) : at(right, batch, k, j));
        }
        values.push(sum);
      }
    }
  }
  return { shape: [...batchShape, rows, columns], values };
}

function expectClose(actual: tf.Tensor, expected: { shape: number[]; values: ArrayLike<number> }): void {
  expect(actual.shape).toEqual(expected.shape);
  const values = actual.dataSync();
  const worst = Math.max(0, ...Array.from(expected.values, (value, i) => Math.abs(values[i] - value)));
  expect(worst).toBeLessThan(1e-4);
}

const size = fc.integer({ min: 1, max: 9 });

test('batches of any shape, broadcast and transposed either way, equal the definition and leave nothing behind', () => {
  const batchShapes = fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), a: fc.boolean(), b: fc.boolean() }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(
      batchShapes,
      size,
      size,
      size,
      fc.boolean(),
      fc.boolean(),
      fc.nat(2),
      (batch, m, k, n, transposeA, transposeB, cut) => {
        const shapeOf = (who: 'a' | 'b'): number[] => batch.map((axis) => (axis[who] ? axis.size : 1));
        const before = tf.memory();
        tf.tidy(() => {
          const a = tf.randomNormal([...shapeOf('a'), ...(transposeA ? [k, m] : [m, k])]);
          const b = tf.randomNormal([...shapeOf('b').slice(cut), ...(transposeB ? [n, k] : [k, n])]);
          expectClose(tf.matMul(a, b, transposeA, transposeB), reference(a, b, transposeA, transposeB));
        });
        expect(tf.memory()).toEqual(before);
      },
    ),
  );
});

test('a fused bias is added once, however long the inner axis is', () => {
  tf.tidy(() => {
    const a = tf.ones([3, 5, 200]) as tf.Tensor3D;
    const b = tf.ones([3, 200, 7]) as tf.Tensor3D;
    const bias = tf.tensor1d([0, 1, 2, 3, 4, 5, 6]);
    const y = tf.fused.matMul({ a, b, bias, activation: 'linear' });
    expectClose(y, { shape: [3, 5, 7], values: Array.from({ length: 105 }, (_, i) => 200 + (i % 7)) });
  });
});

test('gradients flow to both operands of a batch', () => {
  tf.tidy(() => {
    const a = tf.randomNormal([2, 3, 4, 5]);
    const b = tf.randomNormal([2, 3, 6, 5]);
    const [da, db] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.sum(tf.matMul(x, y, false, true)) as tf.Scalar)([
      a,
      b,
    ]);
    const ones = tf.ones([2, 3, 4, 6]);
    expectClose(da, reference(ones, b));
    expectClose(db, reference(ones, a, true));
  });
});

test('thousands of products do not grow the heap', () => {
  const heap = (): number => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  const product = (): void =>
    tf.tidy(() => {
      tf.matMul(tf.ones([4, 32, 64]), tf.ones([4, 32, 64]), false, true);
    });
  product();
  const before = heap();
  for (let i = 0; i < 3000; i++) product();
  expect(heap()).toBe(before);
});

test('no rows, no columns and no inner axis', () => {
  tf.tidy(() => {
    expect(tf.matMul(tf.zeros([2, 0, 3]), tf.zeros([2, 3, 4])).shape).toEqual([2, 0, 4]);
    expectClose(tf.matMul(tf.zeros([2, 2, 0]), tf.zeros([2, 0, 2])), {
      shape: [2, 2, 2],
      values: [0, 0, 0, 0, 0, 0, 0, 0],
    });
  });
});

test("a matrix for all of a batch, as a layer's weight is", () => {
  tf.tidy(() => {
    const a = tf.randomNormal([4, 7, 5]);
    const b = tf.randomNormal([5, 3]);
    expectClose(tf.matMul(a, b), reference(a, b));
  });
});

test('an activation follows the product and its bias', () => {
  tf.tidy(() => {
    const a = tf.tensor2d([[1, -2]]);
    const b = tf.eye(2);
    const bias = tf.tensor1d([1, -1]);
    const activated = (activation: 'linear' | 'relu' | 'leakyrelu' | 'prelu', preluActivationWeights?: tf.Tensor) =>
      tf.fused.matMul({ a, b, bias, activation, preluActivationWeights, leakyreluAlpha: 0.5 }).dataSync();
    expect([...activated('linear')]).toEqual([2, -3]);
    expect([...activated('relu')]).toEqual([2, 0]);
    expect([...activated('leakyrelu')]).toEqual([2, -1.5]);
    expect([...activated('prelu', tf.tensor1d([3, 3]))]).toEqual([2, -9]);
    expect(() => activated('selu' as 'relu')).toThrow(/it can linear, relu, .*elu/);
  });
});
