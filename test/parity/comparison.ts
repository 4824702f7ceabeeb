import type * as tf from '@tensorflow/tfjs';

/**
 * Compares a result of ours with the expected one, that of diffusers, transformers or the authors' code for the same
 * inputs. The tests run it on one backend, `npm run bench -- parity` on all available ones. It reads tensors only by
 * `data()`, because WebGPU in Node has no `dataSync()`.
 */
export interface Comparison {
  /** The part that is compared, such as `UNet`. */
  readonly part: string;
  readonly name: string;
  /** The tolerance, in standard deviations of the expected values. */
  readonly most: number;
  /** The largest difference. Leaves no tensors in memory. */
  largest(): Promise<number>;
}

/** The tolerance for float32 sums computed in a different order. */
export const PARITY = 1e-4;

/**
 * The largest difference, in standard deviations of the expected values. Computed in JavaScript, not by the backend
 * under test.
 * @throws if the shapes differ
 */
export async function deviation(actual: tf.Tensor, expected: tf.Tensor): Promise<number> {
  if (`${actual.shape}` !== `${expected.shape}`)
    throw new Error(`The shape is [${actual.shape}], expected [${expected.shape}].`);
  const [a, b] = await Promise.all([actual.data(), expected.data()]);
  const { abs } = Math; // Looked up once, because jest makes every access to a global slow.
  let [largest, sum, squares] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    const difference = abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference; // So that NaN counts as the largest.
    sum += b[i];
    squares += b[i] ** 2;
  }
  const mean = sum / b.length;
  return largest === 0 ? 0 : largest / Math.sqrt(squares / b.length - mean ** 2);
}

/** The largest deviation of some pairs; disposes all of them. */
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
