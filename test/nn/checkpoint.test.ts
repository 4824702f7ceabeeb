import * as tf from '@tensorflow/tfjs';
import { checkpoint as checkpointOf } from '../../src/nn/checkpoint';
import { useBackend } from '../backend';

useBackend();

/** Of tensors as small as these. */
const checkpoint = <T extends tf.Tensor, Inputs extends readonly tf.Tensor[]>(
  inputs: Inputs,
  block: (...inputs: Inputs) => T,
): T => checkpointOf(inputs, block, 1);

const x = () => tf.tensor1d([1, 2, 3]);
/** x^2 (x + 1), with results on the way. */
const block = jest.fn((at: tf.Tensor1D): tf.Tensor1D => tf.mul(tf.square(at), tf.add(at, 1)));
const SLOPES = [5, 16, 33];
beforeEach(() => {
  block.mockClear();
});

test('without a gradient the block is computed once', () => {
  tf.tidy(() => {
    expect([...checkpoint([x()], block).dataSync()]).toEqual([2, 12, 36]);
    expect(block).toHaveBeenCalledTimes(1);
  });
});

test('the gradient is that of the block, which is computed anew for it', () => {
  tf.tidy(() => {
    const { value, grad } = tf.valueAndGrad((at: tf.Tensor) => checkpoint([at as tf.Tensor1D], block))(x());
    expect([...value.dataSync()]).toEqual([2, 12, 36]);
    expect([...grad.dataSync()]).toEqual(SLOPES);
    expect(block).toHaveBeenCalledTimes(2);
  });
});

test('a block of small tensors is computed once', () => {
  tf.tidy(() => {
    const gradient = tf.grad((at: tf.Tensor) => checkpointOf([at as tf.Tensor1D], block))(x());
    expect([...gradient.dataSync()]).toEqual(SLOPES);
    expect(block).toHaveBeenCalledTimes(1);
  });
});

test('nothing made in the block is in memory between the two passes, and nothing at all after them', () => {
  const at = x();
  const before = tf.memory().numTensors;
  const counts = [false, true].map((isCheckpoint) => {
    let count = 0;
    const gradient = tf.grad((y: tf.Tensor) => {
      for (let i = 0; i < 10; i++) y = isCheckpoint ? checkpoint([y as tf.Tensor1D], block) : block(y as tf.Tensor1D);
      count = tf.memory().numTensors;
      return y;
    })(at);
    gradient.dispose();
    return count - before;
  });
  // Of each block its input and its result, and the input that is saved.
  expect(counts[1]).toBeLessThanOrEqual(22);
  expect(counts[0]).toBeGreaterThan(2 * counts[1]);
  expect(tf.memory().numTensors).toBe(before);
  at.dispose();
});

test('blocks follow one another, lie within one another and take several inputs', () => {
  tf.tidy(() => {
    const both = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      checkpoint([a, b] as const, (c, d) => tf.mul(checkpoint([c] as const, tf.square), d));
    const [ofA, ofB] = tf.grads((a, b) => tf.add(both(both(a, b), b), a))([x(), tf.scalar(2)]);
    // (a^2 b)^2 b + a
    expect([...ofA.dataSync()]).toEqual([1, 2, 3].map((a) => 4 * a ** 3 * 8 + 1));
    expect(ofB.dataSync()[0]).toBe([1, 2, 3].reduce((sum, a) => sum + 3 * a ** 4 * 4, 0));
  });
});

test('gradients flow to what the block uses besides its inputs', () => {
  tf.tidy(() => {
    const own = tf.tensor1d([4, 5, 6]);
    const [ofX, ofOwn] = tf.grads((at, parameter) => checkpoint([at] as const, (y) => tf.mul(tf.square(y), parameter)))(
      [x(), own],
    );
    expect([...ofX.dataSync()]).toEqual([8, 20, 36]);
    expect([...ofOwn.dataSync()]).toEqual([1, 4, 9]);
  });
});

test('from what somebody keeps within a block gradients flow as well', () => {
  const at = x();
  const before = tf.memory().numTensors;
  let kept: tf.Tensor | undefined;
  const gradient = tf.grad((y: tf.Tensor) => {
    const z = checkpoint([y], (input) => {
      kept = tf.keep(tf.square(input));
      return tf.mul(kept, 2);
    });
    return tf.add(tf.sum(z), tf.sum(kept!));
  })(at);
  expect([...gradient.dataSync()]).toEqual([6, 12, 18]);
  kept?.dispose();
  gradient.dispose();
  expect(tf.memory().numTensors).toBe(before);
  at.dispose();
});

test('a block that does nothing, and one whose result does not depend on an input', () => {
  tf.tidy(() => {
    const [ofX, ofOther] = tf.grads((at, other) => {
      const same = checkpoint([at] as const, (y) => y);
      const ofFirst = (y: tf.Tensor, _other: tf.Tensor): tf.Tensor => tf.square(y);
      return tf.add(checkpoint([same, other] as const, ofFirst), tf.mul(other, 0));
    })([x(), tf.scalar(7)]);
    expect([...ofX.dataSync()]).toEqual([2, 4, 6]);
    expect(ofOther.dataSync()[0]).toBe(0);
  });
});
