import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TokenizerFiles } from '../text/tokenizer';
import type { Checkpoint, NetworkName, PartName } from '../weights/checkpoint';
import { SafetensorsFile } from '../weights/safetensors';
import { fileBytes } from './fileSource';

const CONFIG_FILES: Record<PartName, string> = {
  unet: 'unet/config.json',
  vae: 'vae/config.json',
  text_encoder: 'text_encoder/config.json',
  scheduler: 'scheduler/scheduler_config.json',
};

const WEIGHT_FILES: Record<NetworkName, string> = {
  unet: 'unet/diffusion_pytorch_model.safetensors',
  vae: 'vae/diffusion_pytorch_model.safetensors',
  text_encoder: 'text_encoder/model.safetensors',
};

/** A folder in the diffusers layout. */
export async function openFolder(folder: string): Promise<Checkpoint> {
  return {
    name: folder,
    layout: 'diffusers',
    async config(part) {
      const file = join(folder, CONFIG_FILES[part]);
      return { file, json: await readJson(file) };
    },
    weights: async (part) => SafetensorsFile.open(await fileBytes(join(folder, WEIGHT_FILES[part]))),
    tokenizer: () => readTokenizer(join(folder, 'tokenizer')),
  };
}

async function readTokenizer(folder: string): Promise<TokenizerFiles> {
  const optional = async (file: string) => readFile(join(folder, file), 'utf8').catch(() => undefined);
  const json = async (file: string) => optional(file).then((text) => (text === undefined ? undefined : JSON.parse(text)));
  return {
    tokenizer: await json('tokenizer.json'),
    vocab: (await json('vocab.json')) as Record<string, number> | undefined,
    merges: await optional('merges.txt'),
    config: await json('tokenizer_config.json'),
    specialTokens: await json('special_tokens_map.json'),
  };
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'));
}
