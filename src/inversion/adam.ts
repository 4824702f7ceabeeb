import * as tf from '@tensorflow/tfjs';

/** Adam (Kingma & Ba 2014, arXiv 1412.6980) for one tensor, with PyTorch's defaults. */
export class Adam {
  private steps = 0;
  private mean: tf.Tensor = tf.scalar(0);
  private square: tf.Tensor = tf.scalar(0);

  constructor(
    private readonly rate: number,
    private readonly beta1 = 0.9,
    private readonly beta2 = 0.999,
    private readonly epsilon = 1e-8,
  ) {}

  /** @returns `x` after one step against its gradient. The caller disposes of it, and of both arguments. */
  step<T extends tf.Tensor>(x: T, gradient: T): T {
    const { beta1, beta2, epsilon, rate } = this;
    this.steps++;
    const [moved, mean, square] = tf.tidy(() => {
      const mean = tf.add(tf.mul(this.mean, beta1), tf.mul(gradient, 1 - beta1));
      const square = tf.add(tf.mul(this.square, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const deviation = tf.sqrt(tf.div(square, 1 - beta2 ** this.steps));
      const direction = tf.div(tf.div(mean, 1 - beta1 ** this.steps), tf.add(deviation, epsilon));
      return [tf.sub(x, tf.mul(direction, rate)) as T, mean, square] as const;
    });
    this.dispose();
    [this.mean, this.square] = [mean, square];
    return moved;
  }

  dispose(): void {
    tf.dispose([this.mean, this.square]);
  }
}
