import * as tf from '@tensorflow/tfjs';
import type { DenoisingStep } from '../sampler/denoise';

/** A picture's latents on its way to noise: one more than there are steps. */
export class Trajectory {
  /** @param latents each [1, height, width, channels], starting with the picture's; disposed of with the trajectory */
  constructor(private readonly latents: readonly tf.Tensor4D[]) {}

  /**
   * Runs an inversion to its end.
   *
   * @param picture [1, height, width, channels]; not disposed of
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

  /** @param tensor [steps + 1, height, width, channels], as `tensor()` returns it; not disposed of */
  static from(tensor: tf.Tensor4D): Trajectory {
    return new Trajectory(tf.split(tensor, tensor.shape[0]));
  }

  get steps(): number {
    return this.latents.length - 1;
  }

  /** The picture's latents, owned by the trajectory. */
  get picture(): tf.Tensor4D {
    return this.latents[0];
  }

  /** The noise that the picture became, owned by the trajectory. */
  get noise(): tf.Tensor4D {
    return this.latents[this.steps];
  }

  /** A run's latents before one of its steps, counted from noise; owned by the trajectory. */
  before(step: number): tf.Tensor4D {
    return this.latents[this.steps - step];
  }

  /** A run's latents after that step; owned by the trajectory. */
  after(step: number): tf.Tensor4D {
    return this.before(step + 1);
  }

  /** [steps + 1, height, width, channels], from the picture to noise. The caller disposes of it. */
  tensor(): tf.Tensor4D {
    return tf.concat([...this.latents], 0);
  }

  dispose(): void {
    tf.dispose([...this.latents]);
  }
}
