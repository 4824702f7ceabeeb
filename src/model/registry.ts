import { ConfigError, type ConfigFile } from '../config';
import { AutoencoderKL } from './autoencoderKL';
import { CLIPTextModel } from './clipText';
import { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from './config';
import type { Networks } from './roles';
import { UNet2DConditionModel } from './unet';

/**
 * The supported classes, by the name in a config: diffusers' `_class_name` or transformers' `model_type`. Each is built
 * from its config, with no weights yet; its parameters say what a checkpoint must have. A config without a name means
 * the first class, so add others after it.
 */
const CLASSES: {
  readonly [Part in keyof Networks]: Readonly<Record<string, (json: unknown, file: string) => Networks[Part]>>;
} = {
  textEncoder: {
    clip_text_model: (json, file) => new CLIPTextModel(parseCLIPTextConfig(json, file)),
  },
  unet: {
    UNet2DConditionModel: (json, file) => new UNet2DConditionModel(parseUNetConfig(json, file)),
  },
  vae: {
    AutoencoderKL: (json, file) => new AutoencoderKL(parseVAEConfig(json, file)),
  },
};

/**
 * Builds the network that a config describes.
 *
 * @throws ConfigError naming the file, and the class or the keys that are not supported
 */
export function networkOf<Part extends keyof Networks>(part: Part, { json, file }: ConfigFile): Networks[Part] {
  const classes = CLASSES[part];
  const key = part === 'textEncoder' ? 'model_type' : '_class_name';
  const name = (json as Record<string, unknown> | null)?.[key] ?? Object.keys(classes)[0];
  if (typeof name !== 'string' || !Object.hasOwn(classes, name)) {
    const known = Object.keys(classes).map((one) => JSON.stringify(one));
    throw new ConfigError(`${file}: ${key} is ${JSON.stringify(name)}; supported: ${known.join(', ')}.`);
  }
  return classes[name](json, file);
}
