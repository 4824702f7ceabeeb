import { CheckpointError } from './errors';
import type { Network } from './model/network';
import { PixelSpace } from './model/pixelSpace';
import { networkOf } from './model/registry';
import type { Networks } from './model/roles';
import type { Checkpoint, NetworkName } from './weights/checkpoint';
import { inputProblem } from './weights/kinds';
import { loadParameters } from './weights/load';

/**
 * Builds a checkpoint's networks from its configs, with no weights loaded yet.
 *
 * @throws CheckpointError naming the checkpoint if its model does more than text to image; ConfigError naming the key
 */
export async function networksOf(checkpoint: Checkpoint): Promise<Networks> {
  const textEncoder = networkOf('textEncoder', await checkpoint.config('text_encoder'));
  const unet = networkOf('unet', await checkpoint.config('unet'));
  const vae = checkpoint.networks.includes('vae')
    ? networkOf('vae', await checkpoint.config('vae'))
    : new PixelSpace(unet.config.out_channels);
  const problem = inputProblem(unet.config.in_channels, vae.config.latent_channels);
  if (problem) throw new CheckpointError(`${checkpoint.name} cannot be used: ${problem}`);
  return { textEncoder, unet, vae };
}

/** The networks that have weights, with their names in a checkpoint. */
export function byName({ textEncoder, unet, vae }: Networks): readonly (readonly [NetworkName, Network])[] {
  const all = [
    ['text_encoder', textEncoder],
    ['unet', unet],
    ['vae', vae],
  ] as const;
  return all.filter(([, { parameters }]) => parameters.size > 0);
}

/**
 * Loads a checkpoint's weights into its networks, one tensor at a time. On failure, the networks are disposed of.
 *
 * @param onProgress called with how many of all the networks' numbers are loaded, and their total
 * @throws CheckpointError naming the file, and the tensors that do not fit
 */
export async function loadNetworks(
  networks: Networks,
  checkpoint: Checkpoint,
  onProgress?: (loaded: number, total: number) => void,
): Promise<void> {
  const all = byName(networks);
  const total = all.reduce((sum, [, { size }]) => sum + size, 0);
  let before = 0;
  try {
    for (const [name, network] of all) {
      await loadParameters(network.parameters, await checkpoint.weights(name), {
        onProgress: (loaded) => onProgress?.(before + loaded, total),
      });
      before += network.size;
    }
  } catch (error) {
    for (const [, network] of all) network.dispose();
    throw error;
  }
}
