import * as tf from '@tensorflow/tfjs';
import type { Parameter, Scope } from '../nn/scope';

/** Turns a picture into tokens: one for each square patch, preceded by one for the whole picture. */
export class Patches {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  /**
   * @param scope the projection's scope
   * @param whole the embedding of the first token, of `features` numbers
   * @param position the position embeddings, tokens x features numbers
   */
  constructor(
    scope: Scope,
    private readonly whole: Parameter,
    private readonly position: Parameter,
    private readonly size: number,
    private readonly features: number,
    options: { bias: boolean },
  ) {
    this.weight = scope.parameter('weight', [features, 3, size, size], 'conv');
    if (options.bias) this.bias = scope.parameter('bias', [features]);
  }

  /**
   * @param pixels [rows, height, width, 3], with sides that are multiples of a patch's
   * @returns [rows, 1 + patches, features]
   */
  forward(pixels: tf.Tensor4D): tf.Tensor3D {
    return tf.tidy(() => {
      const [rows, height, width] = pixels.shape;
      const squares = (height / this.size) * (width / this.size);
      const projected = tf.reshape(tf.conv2d(pixels, this.weight.value as tf.Tensor4D, this.size, 'valid'), [
        rows,
        squares,
        this.features,
      ]);
      const tokens = this.bias ? tf.add(projected, this.bias.value) : projected;
      const first = tf.tile(tf.reshape(this.whole.value, [1, 1, this.features]), [rows, 1, 1]);
      const position = tf.reshape(this.position.value, [1, 1 + squares, this.features]);
      return tf.add(tf.concat([first, tokens as tf.Tensor3D], 1), position);
    });
  }
}
