import * as tf from '@tensorflow/tfjs';
import { fused } from '../../src/backend/fused';
import { useBackend } from '../backend';

useBackend();
const plain = jest.fn(({ x }: { x: tf.Tensor1D }): tf.Tensor1D => tf.mul(x, tf.sigmoid(x)));
/** With a gradient that is told from the true one. */
const call = (x: tf.Tensor1D) => ({
  inputs: { x },
  plain,
  saved: ['x'] as const,
  gradient: (dy: tf.Tensor1D, saved: { x: tf.Tensor1D }) => ({ x: tf.mul<tf.Tensor1D>(dy, tf.square(saved.x)) }),
});
beforeEach(() => {
  plain.mockClear();
});

const withKernel = (kernelFunc: tf.KernelFunc, body: () => void): void => {
  const kernel = { kernelName: 'P2pSilu', backendName: tf.getBackend() };
  const own = tf.getKernel(kernel.kernelName, kernel.backendName);
  if (own) tf.unregisterKernel(kernel.kernelName, kernel.backendName);
  tf.registerKernel({ ...kernel, kernelFunc });
  try {
    body();
  } finally {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    if (own) tf.registerKernel(own);
  }
};
/** Stands for a backend's kernel, and is told from `plain` by its wrong result. */
const zeros: tf.KernelFunc = ({ inputs }) => tf.zerosLike(inputs.x as tf.Tensor);

test("a backend's own kernel computes where there is one", () => {
  withKernel(zeros, () =>
    tf.tidy(() => {
      expect(Array.from(fused('P2pSilu', call(tf.tensor1d([1, 2]))).dataSync())).toEqual([0, 0]);
      expect(plain).not.toHaveBeenCalled();
    }),
  );
});

test('under a gradient the same computes, and the gradient is the one it is given', () => {
  withKernel(zeros, () => {
    const x = tf.tensor1d([2, 3]);
    const before = tf.memory().numTensors;
    const { value, grad } = tf.valueAndGrad((at: tf.Tensor) => tf.mul(5, fused('P2pSilu', call(at as tf.Tensor1D))))(x);
    expect(tf.memory().numTensors).toBe(before + 2);
    expect(plain).not.toHaveBeenCalled();
    expect([...value.dataSync()]).toEqual([0, 0]);
    expect([...grad.dataSync()]).toEqual([20, 45]);
    tf.dispose([x, value, grad]);
  });
});

test("what a backend has no kernel for is computed in tfjs's operations, with the same gradient", () => {
  tf.tidy(() => {
    const x = tf.tensor1d([3]);
    const none = 'P2pNone' as 'P2pSilu';
    const before = tf.memory().numTensors;
    fused(none, call(x));
    expect(plain).toHaveBeenCalledTimes(1);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(
      tf
        .grad((at: tf.Tensor) => fused(none, call(at as tf.Tensor1D)))(x)
        .dataSync()[0],
    ).toBe(9);
  });
});
