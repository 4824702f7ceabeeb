import * as tf from '@tensorflow/tfjs';
import type { Inversion } from '../../invert';
import type { Generation } from '../../options';
import { writeSafetensors } from '../../weights/safetensorsWriter';

/**
 * A run's tensors as a safetensors file, in float32 and PyTorch's layout: `noise` [1, C, h, w], `context` [rows,
 * tokens, features] (the unconditional rows, none at guidance 1, then the conditional), `latents` [n, C, h, w] as the
 * UNet uses them, and `image` [n, 3, H, W], -1 to 1. For a user's own picture also `trajectory` [steps + 1, C, h, w],
 * from its latents to noise, and for null-text inversion `embeddings` [steps, tokens, features].
 */
export async function tensorFile(
  { noise, context, latents, images }: Generation,
  inversion?: Inversion,
): Promise<Uint8Array> {
  const stored = {
    noise: channelsFirst(noise),
    context: context.clone(),
    latents: channelsFirst(latents),
    image: channelsFirst(images),
    ...(inversion && { trajectory: tf.tidy(() => channelsFirst(inversion.trajectory.tensor())) }),
    ...(inversion?.embeddings && { embeddings: tf.concat([...inversion.embeddings], 0) }),
  };
  const tensors = await Promise.all(
    Object.entries(stored).map(async ([name, tensor]) => ({
      name,
      shape: tensor.shape,
      data: await tensor.data<'float32'>(),
    })),
  );
  tf.dispose(stored);
  return writeSafetensors(tensors);
}

/** NHWC -> NCHW */
function channelsFirst(x: tf.Tensor4D): tf.Tensor4D {
  return tf.transpose(x, [0, 3, 1, 2]);
}

/** Disposes of generations' tensors. */
export function disposeOf(...generations: readonly Generation[]): void {
  for (const { noise, context, latents, images } of generations) tf.dispose([noise, context, latents, images]);
}
