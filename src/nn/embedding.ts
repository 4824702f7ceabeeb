import * as tf from '@tensorflow/tfjs';
import type { Parameter, Scope } from './scope';

/** A table of vectors, looked up by index. */
export class Embedding {
  private readonly weight: Parameter;

  constructor(
    scope: Scope,
    readonly count: number,
    readonly features: number,
  ) {
    this.weight = scope.parameter('weight', [count, features]);
  }

  /**
   * @param ids [rows, tokens], each from 0 to count - 1
   * @returns [rows, tokens, features]
   * @throws RangeError for an id outside the table
   */
  forward(ids: readonly (readonly number[])[]): tf.Tensor3D {
    for (const id of ids.flat()) {
      if (!Number.isInteger(id) || id < 0 || id >= this.count)
        throw new RangeError(`${this.weight.name}: id ${id} is not from 0 to ${this.count - 1}.`);
    }
    return tf.tidy(
      () => tf.gather(this.weight.value, tf.tensor2d(ids as number[][], undefined, 'int32')) as tf.Tensor3D,
    );
  }
}
