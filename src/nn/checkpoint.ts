import * as tf from '@tensorflow/tfjs';
import { isTaped } from '../backend/fused';

/** How many numbers a map has at least, 4 MiB of them, for the blocks of its size to be computed anew. */
export const LEAST_TO_RECOMPUTE = 1 << 20;

/**
 * Computes a block of layers. While a gradient is being taken, what the block makes on its way is freed, and computed
 * anew when the gradient comes by: of many blocks only one's is in memory at a time, for one more forward pass (Chen et
 * al. 2016, as `torch.utils.checkpoint`).
 *
 * A block of small tensors is left as it is, as there is little to free; and so is one in which somebody keeps a tensor
 * (a hook, with `tf.keep`), so that gradients flow from that tensor too. Any other is run twice, and has to do the same
 * both times.
 *
 * @param inputs kept until the gradient is taken. Gradients also flow to what else the block uses and whoever made it
 *   keeps until then: parameters of one's own.
 * @param least how many numbers an input has to hold
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

/** The gradients for the inputs and the others, from the one for the block's result. */
function gradients<T extends tf.Tensor, Inputs extends readonly tf.Tensor[]>(
  block: (...inputs: Inputs) => T,
  inputs: Inputs,
  others: readonly tf.Tensor[],
  dy: T,
): tf.Tensor[] {
  const engine = tf.engine();
  // The engine begins a tape of its own, and forgets the one that is being gone through.
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
