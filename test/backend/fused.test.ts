import * as tf from '@tensorflow/tfjs';
import { fused } from '../../src/backend/fused';
import { useBackend } from '../backend';

useBackend();
const plain = jest.fn(({ x }: { x: tf.Tensor1D }) => tf.mul(x, tf.sigmoid(x)));
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
      expect(Array.from(fused('P2pSilu', { inputs: { x: tf.tensor1d([1, 2]) } }, plain).dataSync())).toEqual([0, 0]);
      expect(plain).not.toHaveBeenCalled();
    }),
  );
});

test("what is said in tfjs's operations computes a gradient, and what a backend has no kernel for", () => {
  withKernel(zeros, () =>
    tf.tidy(() => {
      const slope = tf.grad((x: tf.Tensor) => tf.sum(fused('P2pSilu', { inputs: { x: x as tf.Tensor1D } }, plain)))(
        tf.tensor1d([0]),
      );
      expect(slope.dataSync()[0]).toBeCloseTo(0.5);
    }),
  );
  tf.tidy(() => {
    const inputs = { x: tf.tensor1d([3]) };
    const before = tf.memory().numTensors;
    fused('P2pNone' as 'P2pSilu', { inputs }, plain);
    expect(plain).toHaveBeenCalledTimes(2);
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});
