import * as tf from '@tensorflow/tfjs';
import type { DenoisingStep } from '../sampler/denoise';

/** The latents of a picture on its way to noise: one more than there are steps. */
export class Trajectory {
  /** @param latents each [1, height, width, channels], from the picture's on; freed with the trajectory */
  constructor(private readonly latents: readonly tf.Tensor4D[]) {}

  /**
   * Walks to the end of an inversion.
   *
   * @param picture [1, height, width, channels]; stays the caller's
   * @param steps of `denoise` with a sampler's inverse
   */
  static async of(
    picture: tf.Tensor4D,
    steps: AsyncIterable<Pick<DenoisingStep, 'latents'>>,
    onStep?: (step: number) => void | Promise<void>,
  ): Promise<Trajectory> {
    const latents = [picture.clone()];
    try {
      for await (const step of steps) {
        latents.push(step.latents.clone());
        await onStep?.(latents.length - 2);
      }
    } catch (error) {
      tf.dispose(latents);
      throw error;
    }
    return new Trajectory(latents);
  }

  /** @param tensor [steps + 1, height, width, channels], as `tensor()` gives it; stays the caller's */
  static from(tensor: tf.Tensor4D): Trajectory {
    return new Trajectory(tf.split(tensor, tensor.shape[0]));
  }

  get steps(): number {
    return this.latents.length - 1;
  }

  /** The picture's latents; lent. */
  get picture(): tf.Tensor4D {
    return this.latents[0];
  }

  /** What the picture became; lent. */
  get noise(): tf.Tensor4D {
    return this.latents[this.steps];
  }

  /** What a run's latents are before one of its steps, counted from noise; lent. */
  before(step: number): tf.Tensor4D {
    return this.latents[this.steps - step];
  }

  /** What they are after it; lent. */
  after(step: number): tf.Tensor4D {
    return this.before(step + 1);
  }

  /** [steps + 1, height, width, channels], from the picture to noise; the caller's to dispose. */
  tensor(): tf.Tensor4D {
    return tf.concat([...this.latents], 0);
  }

  dispose(): void {
    tf.dispose([...this.latents]);
  }
}
