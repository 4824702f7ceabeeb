import type * as tf from '@tensorflow/tfjs';

/**
 * A schedule and a step rule: how latents lose their noise, given what a network predicts. Latents are the picture's
 * times sqrt(alpha) and noise times sqrt(1 - alpha), as DDIM has them: a sampler that counts in noise levels, such as
 * Euler's, scales them within its step.
 */
export interface Sampler {
  /** A recording tells samplers of one's own apart by it. */
  readonly name?: string;
  /**
   * The training timesteps at which the network is asked, from the noisiest on. Their number is the number of steps.
   */
  readonly timesteps: readonly number[];
  /**
   * One step towards the picture.
   *
   * @param prediction what the network says at `timesteps[index]`, after guidance; of the latents' shape
   * @param latents [rows, height, width, channels]
   * @returns the next latents, the caller's to dispose
   */
  step(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D): tf.Tensor4D;
  /** After a run's last step, an early stop or an error: frees what was remembered of its steps. */
  end?(): void;
  /**
   * The same schedule walked the other way, where the sampler has that.
   *
   * @throws RangeError if its steps cannot be undone
   */
  inverse?(): InverseSampler;
}

/** From a picture's latents to noise: a sampler whose timesteps rise, and whose steps undo another's. */
export interface InverseSampler extends Sampler {
  /**
   * A step whose prediction was made for other latents than those it starts from: better ones of where it leads. Only
   * where the network is asked at the timestep that a step leads to.
   *
   * @param latents where the step starts @param shown what the network was shown, of the same shape
   */
  refine?(prediction: tf.Tensor4D, index: number, latents: tf.Tensor4D, shown: tf.Tensor4D): tf.Tensor4D;
}
