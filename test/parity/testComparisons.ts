import * as tf from '@tensorflow/tfjs';
import type { Comparison } from './comparison';

/** A test for each comparison: within its tolerance, and without leaking tensors. */
export function testComparisons(comparisons: readonly Comparison[]): void {
  test.each([...comparisons])(
    '$part: $name is as expected, and no tensor is left behind',
    async ({ most, largest }) => {
      const before = tf.memory().numTensors;
      expect(await largest()).toBeLessThan(most);
      expect(tf.memory().numTensors).toBe(before);
    },
    600_000,
  );
}
