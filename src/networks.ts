import { CheckpointError } from './errors';
import { AutoencoderKL } from './model/autoencoderKL';
import { CLIPTextModel } from './model/clipText';
import { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from './model/config';
import { UNet2DConditionModel } from './model/unet';
import type { Checkpoint, NetworkName } from './weights/checkpoint';
import { inputProblem } from './weights/kinds';

export interface Networks {
  readonly textEncoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: AutoencoderKL;
}

/**
 * A checkpoint's networks as its configs describe them, with no weights in them yet.
 *
 * @throws CheckpointError naming the file if it is a model for more than pictures from text; ConfigError naming the key
 */
export async function networksOf(checkpoint: Checkpoint): Promise<Networks> {
  const configOf = async <T>(name: NetworkName, parse: (json: unknown, file: string) => T): Promise<T> => {
    const { json, file } = await checkpoint.config(name);
    return parse(json, file);
  };
  const textEncoder = new CLIPTextModel(await configOf('text_encoder', parseCLIPTextConfig));
  const unet = new UNet2DConditionModel(await configOf('unet', parseUNetConfig));
  const vae = new AutoencoderKL(await configOf('vae', parseVAEConfig));
  const problem = inputProblem(unet.config.in_channels, vae.config.latent_channels);
  if (problem) throw new CheckpointError(`${checkpoint.name} cannot be used: ${problem}`);
  return { textEncoder, unet, vae };
}
