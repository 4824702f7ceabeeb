import { CheckpointError } from './errors';
import { networkOf } from './model/registry';
import type { Networks } from './model/roles';
import type { Checkpoint } from './weights/checkpoint';
import { inputProblem } from './weights/kinds';

/**
 * A checkpoint's networks as its configs describe them, with no weights in them yet.
 *
 * @throws CheckpointError naming the file if it is a model for more than pictures from text; ConfigError naming the key
 */
export async function networksOf(checkpoint: Checkpoint): Promise<Networks> {
  const textEncoder = networkOf('textEncoder', await checkpoint.config('text_encoder'));
  const unet = networkOf('unet', await checkpoint.config('unet'));
  const vae = networkOf('vae', await checkpoint.config('vae'));
  const problem = inputProblem(unet.config.in_channels, vae.config.latent_channels);
  if (problem) throw new CheckpointError(`${checkpoint.name} cannot be used: ${problem}`);
  return { textEncoder, unet, vae };
}
