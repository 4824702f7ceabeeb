import * as tf from '@tensorflow/tfjs';
import { isTaped } from '../backend/fused';

/** The smallest number of elements in a map, 4 MiB in float32, for which blocks are recomputed. */
export const LEAST_TO_RECOMPUTE = 1 << 20;

/**
 * Gradient checkpointing for a block of layers: while operations are recorded for a gradient, the block's intermediate
 * tensors are freed, and recomputed in the backward pass. So only one block's are in memory at a time, at the cost of
 * one more forward pass (Chen et al. 2016; like `torch.utils.checkpoint`).
 *
 * Blocks of small tensors are not recomputed, because there is little to free; nor are blocks in which a tensor is kept
 * (by a hook, with `tf.keep`), so that gradients also flow from that tensor. Any other block runs twice, and must do
 * the same both times.
 *
 * @param inputs kept until the backward pass. Gradients also flow to other tensors that the block uses if they still
 *   exist then, such as parameters.
 * @param least the number of elements that at least one input must have
 */
export function checkpoint<T extends tf.Tensor, Inputs extends readonly tf.Tensor[]>(
  inputs: Inputs,
  block: (...inputs: Inputs) => T,
  least = LEAST_TO_RECOMPUTE,
): T {
  if (!isTaped() || inputs.every(({ size }) => size < least)) return block(...inputs);
  const tape = tf.engine().state.activeTape;
  const start = tape.length;
  const y = tf.tidy(() => block(...inputs));
  const nodes = tape.slice(start);
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const saved = new Set(nodes.flatMap((node) => node.saved));
  if (!made.has(y) || [...made].some((tensor) => tensor !== y && !saved.has(tensor) && !tensor.isDisposed)) return y;

  tape.length = start;
  tf.dispose([...saved]);
  const used = new Set(nodes.flatMap((node) => Object.values(node.inputs)));
  const others = [...used].filter((tensor) => !made.has(tensor) && !inputs.includes(tensor) && !tensor.isDisposed);
  return tf.customGrad((...given) => {
    const save = given.pop() as unknown as tf.GradSaveFunc;
    save([...inputs]);
    return { value: y, gradFunc: (dy, saved) => gradients(block, saved as unknown as Inputs, others, dy as T) };
  })(...inputs, ...others) as T;
}

/** The gradients of the inputs and the others, from that of the block's result. */
function gradients<T extends tf.Tensor, Inputs extends readonly tf.Tensor[]>(
  block: (...inputs: Inputs) => T,
  inputs: Inputs,
  others: readonly tf.Tensor[],
  dy: T,
): tf.Tensor[] {
  const engine = tf.engine();
  // The engine starts a new tape, and would lose the one in use.
  const tape = engine.state.activeTape;
  try {
    return tf.tidy(() => {
      const wanted = [...inputs, ...others];
      const { grads } = engine.gradients(() => block(...inputs), wanted, dy, true);
      return wanted.map((tensor, i) => grads[i] ?? tf.zerosLike(tensor));
    });
  } finally {
    engine.state.activeTape = tape;
  }
}
