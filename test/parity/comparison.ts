import type * as tf from '@tensorflow/tfjs';

/**
 * Something of ours beside what it has to be: what diffusers, transformers or the method's authors' code makes of the
 * same inputs. The tests run it on one backend; `npm run bench -- parity` on all there are. It reads tensors by
 * `data()` only, as WebGPU in Node has no `dataSync()`.
 */
export interface Comparison {
  /** What is compared, such as `UNet`. */
  readonly part: string;
  readonly name: string;
  /** The most that the two may differ, in standard deviations of what is expected. */
  readonly most: number;
  /** How much they do differ. Leaves no tensor behind. */
  largest(): Promise<number>;
}

/** What float32 sums taken in another order may differ by. */
export const PARITY = 1e-4;

/**
 * The largest difference, in standard deviations of what is expected. Computed here, not by the backend that is
 * compared.
 * @throws if the shapes differ
 */
export async function deviation(actual: tf.Tensor, expected: tf.Tensor): Promise<number> {
  if (`${actual.shape}` !== `${expected.shape}`)
    throw new Error(`The shape is [${actual.shape}], expected [${expected.shape}].`);
  const [a, b] = await Promise.all([actual.data(), expected.data()]);
  const { abs } = Math; // Jest makes every look at a global slow.
  let [largest, sum, squares] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    const difference = abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference; // Not a number is larger than any.
    sum += b[i];
    squares += b[i] ** 2;
  }
  const mean = sum / b.length;
  return largest === 0 ? 0 : largest / Math.sqrt(squares / b.length - mean ** 2);
}

/** The largest deviation of some pairs, all of which are disposed. */
export async function largestOf(
  ...pairs: readonly (readonly [actual: tf.Tensor, expected: tf.Tensor])[]
): Promise<number> {
  let largest = 0;
  for (const [actual, expected] of pairs) {
    const found = await deviation(actual, expected);
    if (!(found <= largest)) largest = found;
    actual.dispose();
    expected.dispose();
  }
  return largest;
}
