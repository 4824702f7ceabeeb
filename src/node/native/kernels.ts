import * as tf from '@tensorflow/tfjs';
import { registerDirectReader } from '../../backend/directReader';
import type { FusedKernel } from '../../backend/fused';
import { readParameters } from './readParameters';

/** Of tfjs-node's backend, what calls an operation of TensorFlow by its name. */
interface NativeBackend {
  readonly binding: { readonly TF_ATTR_INT: number; readonly TF_ATTR_FLOAT: number; readonly TF_ATTR_TYPE: number };
  executeSingleOutput(name: string, attributes: object[], inputs: tf.TensorInfo[]): tf.TensorInfo;
}

/** What TensorFlow's own operations do well enough. */
type Plain = 'P2pSplitHeads' | 'P2pMergeHeads';

/** The operations of native/: their inputs in order, of which the last may be absent, and the types of their attributes. */
const OPERATIONS: Readonly<Record<Exclude<FusedKernel, Plain> | 'P2pRead', { inputs: string[]; attributes?: Record<string, 'INT' | 'FLOAT' | 'TYPE'> }>> = {
  P2pConv2D: { inputs: ['x', 'filter', 'bias'], attributes: { stride: 'INT', before: 'INT', after: 'INT' } },
  P2pLinear: { inputs: ['x', 'weight', 'bias'], attributes: { biases: 'INT' } },
  P2pGroupNorm: { inputs: ['x', 'weight', 'bias'], attributes: { groups: 'INT', epsilon: 'FLOAT', silu: 'INT' } },
  P2pLayerNorm: { inputs: ['x', 'weight', 'bias'], attributes: { epsilon: 'FLOAT' } },
  P2pSilu: { inputs: ['x'], attributes: { slope: 'FLOAT' } },
  P2pGeglu: { inputs: ['x'] },
  P2pAttention: { inputs: ['q', 'k', 'v'] },
  P2pSelfAttention: { inputs: ['qkv'], attributes: { heads: 'INT', causal: 'INT' } },
  P2pRead: { inputs: ['parts', 'shape'], attributes: { stored: 'TYPE', transposed: 'INT' } },
};

/** Makes the operations that `p2p native install` compiled into the addon known to tfjs, as kernels of the same names, and to what loads weights. */
export function registerOwnKernels(): void {
  for (const [name, { inputs: order, attributes = {} }] of Object.entries(OPERATIONS)) {
    tf.registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const native = backend as NativeBackend;
        const values = Object.entries(attributes).map(([key, type]) => ({ name: key, type: native.binding[`TF_ATTR_${type}`], value: attrs![key] }));
        return native.executeSingleOutput(name, values, order.flatMap((input) => (inputs[input] as tf.TensorInfo | undefined) ?? []));
      },
    });
  }
  registerDirectReader('tensorflow', readParameters);
}
