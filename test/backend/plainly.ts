import * as tf from '@tensorflow/tfjs';

const WEIGHTS = ['P2pWiden', 'P2pRead'];

/** Computes with tfjs's operations, without our own kernels for layers in the current backend. */
export function plainly<T>(compute: () => T): T {
  const own = tf
    .getKernelsForBackend(tf.getBackend())
    .filter(({ kernelName }) => kernelName.startsWith('P2p') && !WEIGHTS.includes(kernelName));
  for (const { kernelName, backendName } of own) tf.unregisterKernel(kernelName, backendName);
  try {
    return compute();
  } finally {
    own.forEach(tf.registerKernel);
  }
}
