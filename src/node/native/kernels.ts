import * as tf from '@tensorflow/tfjs';
import type { FusedKernel } from '../../backend/fused';
import { registerDirectReader } from '../../weights/directReader';
import { readParameters } from './readParameters';

/** The part of tfjs-node's backend that calls a TensorFlow operation by name. */
interface NativeBackend {
  readonly binding: {
    readonly TF_ATTR_INT: number;
    readonly TF_ATTR_FLOAT: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_FLOAT: number;
    executeOp(name: string, attributes: object[], inputs: number[], outputs: number): object[];
  };
  executeSingleOutput(name: string, attributes: object[], inputs: tf.TensorInfo[]): tf.TensorInfo;
  getInputTensorIds(inputs: tf.TensorInfo[]): number[];
  createOutputTensor(metadata: object): tf.TensorInfo;
}

/** Kernels for which TensorFlow's own operations are good enough. */
type Plain = 'P2pSplitHeads' | 'P2pMergeHeads';

interface Operation {
  /** In order; the last ones may be absent. */
  readonly inputs: readonly string[];
  /** The attributes' types. An attribute named `count` is the number of outputs. */
  readonly attributes?: Readonly<Record<string, 'INT' | 'FLOAT' | 'TYPE'>>;
  /** The kernel of tfjs-node that it replaces; by default it is a new kernel of its own name. */
  readonly replaces?: string;
}

/** The operations of native/. */
const OPERATIONS: Readonly<Record<Exclude<FusedKernel, Plain> | 'P2pSoftmax' | 'P2pRead', Operation>> = {
  P2pConv2D: { inputs: ['x', 'filter', 'bias'], attributes: { stride: 'INT', before: 'INT', after: 'INT' } },
  P2pTurnedFilter: { inputs: ['filter'] },
  P2pLinear: { inputs: ['x', 'weight', 'bias'], attributes: { biases: 'INT' } },
  P2pGroupNorm: { inputs: ['x', 'weight', 'bias'], attributes: { groups: 'INT', epsilon: 'FLOAT', silu: 'INT' } },
  P2pLayerNorm: { inputs: ['x', 'weight', 'bias'], attributes: { epsilon: 'FLOAT' } },
  P2pGroupNormGradient: {
    inputs: ['x', 'weight', 'bias', 'dy'],
    attributes: { groups: 'INT', epsilon: 'FLOAT', silu: 'INT' },
  },
  P2pLayerNormGradient: { inputs: ['x', 'weight', 'dy'], attributes: { epsilon: 'FLOAT' } },
  P2pSilu: { inputs: ['x'], attributes: { slope: 'FLOAT' } },
  P2pGeglu: { inputs: ['x'] },
  P2pGegluGradient: { inputs: ['x', 'dy'] },
  // TensorFlow's softmax rounds differently depending on a number's position in the tensor.
  P2pSoftmax: { inputs: ['logits'], replaces: 'Softmax' },
  P2pAttention: { inputs: ['q', 'k', 'v'] },
  P2pAttentionLogits: { inputs: ['q', 'k'] },
  P2pAttentionValues: { inputs: ['probs', 'v'] },
  P2pSelfAttention: { inputs: ['qkv'], attributes: { heads: 'INT', causal: 'INT' } },
  P2pSelfAttentionGradient: { inputs: ['qkv', 'dy'], attributes: { heads: 'INT', causal: 'INT' } },
  P2pRead: { inputs: ['tensors', 'parts'], attributes: { stored: 'TYPE', kept: 'TYPE', count: 'INT' } },
};

/**
 * Registers the operations that `p2p native install` compiled into the addon, as tfjs kernels and as a reader of
 * weights.
 */
export function registerOwnKernels(): void {
  for (const [name, { inputs: order, attributes = {}, replaces }] of Object.entries(OPERATIONS)) {
    if (replaces) tf.unregisterKernel(replaces, 'tensorflow');
    tf.registerKernel({
      kernelName: replaces ?? name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const native = backend as NativeBackend;
        const values = Object.entries(attributes).map(([key, type]) => ({
          name: key,
          type: native.binding[`TF_ATTR_${type}`],
          value: attrs![key],
        }));
        const given = order.flatMap((input) => (inputs[input] as tf.TensorInfo | undefined) ?? []);
        return attributes.count
          ? executeWithOutputs(native, name, values, given, attrs!.count as number)
          : native.executeSingleOutput(name, values, given);
      },
    });
  }
  tf.registerKernel({
    kernelName: 'P2pWiden',
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, backend }) => {
      const native = backend as NativeBackend;
      return native.executeSingleOutput(
        'Cast',
        [{ name: 'DstT', type: native.binding.TF_ATTR_TYPE, value: native.binding.TF_FLOAT }],
        [inputs.x as tf.TensorInfo],
      );
    },
  });
  registerDirectReader('tensorflow', readParameters);
}

/**
 * Like `executeMultipleOutputs`, which does not support 16-bit types: tfjs sees all of them as float32
 * (src/backend/narrow.ts).
 */
function executeWithOutputs(
  native: NativeBackend,
  name: string,
  attributes: object[],
  inputs: tf.TensorInfo[],
  count: number,
): tf.TensorInfo[] {
  const outputs = native.binding.executeOp(name, attributes, native.getInputTensorIds(inputs), count);
  return outputs.map((output) => native.createOutputTensor({ ...output, dtype: native.binding.TF_FLOAT }));
}
