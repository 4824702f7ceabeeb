import type * as tf from '@tensorflow/tfjs';

/**
 * A schedule and a step rule: how to remove noise from latents, given a network's prediction. Latents are scaled as in
 * DDIM: the picture times sqrt(alpha) plus noise times sqrt(1 - alpha). A sampler that works in noise levels (sigmas),
 * such as Euler's, rescales them within its step.
 */
export interface Sampler {
  /** Recordings use it to tell custom samplers apart. */
  readonly name?: string;
  /** The training timesteps at which the network is evaluated, noisiest first; one per step. */
  readonly timesteps: readonly number[];
  /**
   * One step towards the picture.
   *
   * @param prediction the network's prediction at `timesteps[index]` after guidance, in the latents' shape
   * @param latents [rows, height, width, channels]
   * @returns the next latents. The caller disposes of them.
   */
  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D;
  /** Called after a run's last step, an early stop or an error: frees what was kept from its steps. */
  end?(): void;
  /**
   * The same schedule in reverse, if the sampler supports it.
   *
   * @throws RangeError if its steps cannot be undone
   */
  inverse?(): InverseSampler;
}

/** Goes from a picture's latents to noise: its timesteps rise, and its steps undo those of another sampler. */
export interface InverseSampler extends Sampler {
  /**
   * Takes a step again with a prediction for other latents than those it starts from: a better estimate of where it
   * leads. Present only if the network is evaluated at the timestep that a step leads to.
   *
   * @param latents where the step starts @param shown the latents that the network was evaluated on, of the same shape
   */
  refine?(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D, shown: tf.Tensor4D): tf.Tensor4D;
}
