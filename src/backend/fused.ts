import * as tf from '@tensorflow/tfjs';

/** Kernels of ours, each one pass for what takes tfjs several operations. A backend has them or not. */
export type FusedKernel =
  | 'P2pConv2D'
  | 'P2pLinear'
  | 'P2pGroupNorm'
  | 'P2pLayerNorm'
  | 'P2pSilu'
  | 'P2pGeglu'
  | 'P2pAttention'
  | 'P2pAttentionLogits'
  | 'P2pAttentionValues'
  | 'P2pSelfAttention'
  | 'P2pSplitHeads'
  | 'P2pMergeHeads';

export interface FusedCall<Inputs extends tf.NamedTensorMap> {
  readonly inputs: Inputs;
  /** Tensors that `plain` knows by itself: a layer's weights. */
  readonly constants?: tf.NamedTensorMap;
  readonly attributes?: Readonly<Record<string, number>>;
}

/**
 * Computes with the current backend's own kernel where it has that one, else with `plain`, which says the same in
 * tfjs's operations. While a gradient is being taken, `plain` computes, as its operations know their gradients.
 */
export function fused<T extends tf.Tensor, Inputs extends tf.NamedTensorMap>(
  kernel: FusedKernel,
  { inputs, constants, attributes = {} }: FusedCall<Inputs>,
  plain: (inputs: Inputs) => T,
): T {
  const engine = tf.engine();
  if (engine.state.gradientDepth > 0 || !tf.getKernel(kernel, tf.getBackend())) return tf.tidy(() => plain(inputs));
  return engine.runKernel<tf.Tensor>(kernel, { ...inputs, ...constants }, attributes) as T;
}
