import * as tf from '@tensorflow/tfjs';

/** Our fused kernels, each doing in one pass what takes tfjs several operations. A backend may or may not have them. */
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
  /** The inputs that gradients flow to. */
  readonly inputs: Inputs;
  /** The kernel's other inputs: a layer's weights. No gradient flows to them. */
  readonly constants?: tf.NamedTensorMap;
  readonly attributes?: Readonly<Record<string, number>>;
  /** The same with tfjs's operations. It has access to the constants itself. */
  readonly plain: (inputs: Inputs) => T;
  /** The inputs that `gradient` reads: they stay in memory until the gradient is taken. Default: none. */
  readonly saved?: readonly (keyof Inputs & string)[];
  /**
   * The gradient with respect to each input, given that of the result. Without it, `plain` is used while a gradient is
   * taken, because tfjs knows the gradients of its operations.
   */
  readonly gradient?: (dy: T, saved: Inputs) => Inputs;
}

/**
 * Computes with the current backend's kernel if it has one, else with `plain`. While a gradient is being taken it does
 * the same, and gives tfjs the gradient function.
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

/** Whether tfjs is recording operations on its tape, to take a gradient later. */
export function isTaped(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}
