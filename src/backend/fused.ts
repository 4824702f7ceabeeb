import * as tf from '@tensorflow/tfjs';

/** Kernels of ours, each one pass for what takes tfjs several operations. A backend has them or not. */
export type FusedKernel =
  | 'P2pConv2D'
  | 'P2pTurnedFilter'
  | 'P2pLinear'
  | 'P2pGroupNorm'
  | 'P2pLayerNorm'
  | 'P2pGroupNormGradient'
  | 'P2pLayerNormGradient'
  | 'P2pSilu'
  | 'P2pGeglu'
  | 'P2pGegluGradient'
  | 'P2pAttention'
  | 'P2pAttentionLogits'
  | 'P2pAttentionValues'
  | 'P2pSelfAttention'
  | 'P2pSelfAttentionGradient'
  | 'P2pSplitHeads'
  | 'P2pMergeHeads';

export interface FusedCall<T extends tf.Tensor, Inputs extends tf.NamedTensorMap> {
  /** What gradients flow to. */
  readonly inputs: Inputs;
  /** What the kernel is given besides: a layer's weights. No gradient flows to them. */
  readonly constants?: tf.NamedTensorMap;
  readonly attributes?: Readonly<Record<string, number>>;
  /** The same in tfjs's operations. It knows the constants by itself. */
  readonly plain: (inputs: Inputs) => T;
  /** Which inputs `gradient` looks at: they stay in memory until a gradient is taken. Default: none. */
  readonly saved?: readonly (keyof Inputs & string)[];
  /**
   * The gradient for each input, of its shape, given the one for the result. Without, `plain` computes while a gradient
   * is taken, as its operations know theirs.
   */
  readonly gradient?: (dy: T, saved: Inputs) => Inputs;
}

/**
 * Computes with the current backend's own kernel where it has that one, else with `plain`. While a gradient is being
 * taken the same computes, and tfjs is told the gradient.
 */
export function fused<T extends tf.Tensor, Inputs extends tf.NamedTensorMap>(
  kernel: FusedKernel,
  { inputs, constants, attributes = {}, plain, saved = [], gradient }: FusedCall<T, Inputs>,
): T {
  const engine = tf.engine();
  const compute = (): T =>
    tf.getKernel(kernel, tf.getBackend())
      ? (engine.runKernel<tf.Tensor>(kernel, { ...inputs, ...constants }, attributes) as T)
      : tf.tidy(() => plain(inputs));
  if (!isTaped()) return compute();
  if (!gradient) return tf.tidy(() => plain(inputs));

  const names = Object.keys(inputs);
  return tf.customGrad((...given) => {
    const save = given.pop() as unknown as tf.GradSaveFunc;
    save(saved.map((name) => inputs[name]));
    const gradFunc = (dy: tf.Tensor, tensors: tf.Tensor[]): tf.Tensor[] => {
      const wanted = tf.tidy(() =>
        gradient(dy as T, Object.fromEntries(saved.map((name, i) => [name, tensors[i]])) as Inputs),
      );
      return names.map((name) => wanted[name]);
    };
    return { value: compute(), gradFunc };
  })(...names.map((name) => inputs[name])) as T;
}

/** Whether tfjs writes down what is computed now, because a gradient of it will be taken. */
export function isTaped(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}
