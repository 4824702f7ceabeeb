import * as tf from '@tensorflow/tfjs';

const WEIGHTS = ['P2pWiden', 'P2pRead'];

/** Computes without the current backend's kernels of ours for layers: in tfjs's operations. */
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
