import { CheckpointError, listed } from '../errors';
import { CLIP_CONFIG, CLIP_TOKENS, vocabularyOf } from '../text/clipVocabulary';
import type { TokenizerFiles } from '../text/tokenizer';
import { type Checkpoint, NETWORKS, type NetworkName, type PartName } from './checkpoint';
import { CONFIG_FILES, DEFAULTS_FILE } from './diffusersLayout';
import { type FileTree, nameIn, readConfig, readJson, readText } from './fileTree';
import { isLora, otherKind } from './kinds';
import { type Config, inferConfig, inferSchedulerConfig, sampleSize, statedPrediction } from './originalConfig';
import { type Family, familyOf, missingNetworks, networkOf } from './originalLayout';
import { readOriginalYaml } from './originalYaml';
import type { SafetensorsFile } from './safetensors';
import { readTokenizer } from './tokenizerFiles';

/**
 * Opens a checkpoint in one file, in the layout of Stable Diffusion's original code. Its configs are inferred from its
 * tensors, but configs beside it take precedence: `NAME.json` beside `NAME.safetensors`, an object with `unet`, `vae`,
 * `text_encoder`, `scheduler`; or `NAME.yaml`, a config of the original code; or diffusers' own files
 * (`unet/config.json`, ...). The tokenizer is also looked for beside it, in `tokenizer/` or in the same folder; if
 * there is none, CLIP's own is used, provided that the text encoder has the same number of tokens. `NAME.p2p.json`
 * states its best settings.
 *
 * @param beside the folder that the file is in
 * @param clipMerges the merges of CLIP's own vocabulary, one per line
 * @throws CheckpointError if it is not a complete Stable Diffusion 1.x or 2.x checkpoint
 */
export async function openSingleFile(
  file: SafetensorsFile,
  beside: FileTree,
  clipMerges?: () => Promise<string>,
): Promise<Checkpoint> {
  checkKind(file);
  const family = familyOf(file);
  const given = await givenConfigs(file, beside);

  async function config(part: PartName): Promise<GivenConfig> {
    const { file: place, json: stated } = (await given(part)) ?? { file: file.name, json: {} };
    if (part === 'scheduler') return { file: place, json: inferSchedulerConfig(family, file, stated) };
    const json = inferConfig(part, await weights(part), family, stated);
    if (part !== 'unet') return { file: place, json };
    return {
      file: place,
      json: { sample_size: sampleSize((await config('scheduler')).json.prediction_type), ...json },
    };
  }

  async function weights(network: NetworkName) {
    const textLayers = network === 'text_encoder' ? (await given(network))?.json.num_hidden_layers : undefined;
    return networkOf(file, network, typeof textLayers === 'number' ? textLayers : undefined);
  }

  async function tokenizer(): Promise<TokenizerFiles> {
    const padded = { ...CLIP_CONFIG, pad_token: family === 'sd1' ? '<|endoftext|>' : '!' };
    const files = (await readTokenizer(beside, 'tokenizer')) ?? (await readTokenizer(beside, ''));
    if (files) return { ...files, config: files.config ?? padded };
    const tokens = (await weights('text_encoder')).tensors.get('text_model.embeddings.token_embedding.weight')
      ?.shape[0];
    if (tokens === CLIP_TOKENS && clipMerges) return { ...vocabularyOf(await clipMerges()), config: padded };
    throw new CheckpointError(
      `${file.name} has no tokenizer in it, and there is none beside it. Put vocab.json and merges.txt into ${nameIn(beside, 'tokenizer')}: ` +
        (tokens === CLIP_TOKENS
          ? 'those of openai/clip-vit-large-patch14 serve every Stable Diffusion 1.x and 2.x checkpoint.'
          : `CLIP's own do not fit, as the text encoder has ${tokens} tokens.`),
    );
  }

  const defaults = () => readConfig(beside, `${stem(file)}.${DEFAULTS_FILE}`);

  async function notes(): Promise<string[]> {
    const { prediction_type: stated = statedPrediction(file) } = (await given('scheduler'))?.json ?? {};
    return [...(stated === undefined ? [assumed(family, stem(file))] : []), ...leftAside(file)];
  }

  return { name: file.name, layout: 'single-file', networks: NETWORKS, config, weights, tokenizer, notes, defaults };
}

/** The note on what a file is assumed to predict, if nothing states it. */
function assumed(family: Family, name: string): string {
  const beside = (prediction: string) => `${name}.json beside it: {"scheduler": {"prediction_type": "${prediction}"}}`;
  return family === 'sd1'
    ? `${name} does not say what its UNet predicts. It is taken for a Stable Diffusion 1.x model that predicts epsilon; if it predicts v, say so in ${beside('v_prediction')}`
    : `${name} does not say what its UNet predicts. It is taken for a Stable Diffusion 2.x model that predicts v at 768x768; if it is a "base" model, which predicts epsilon, say so in ${beside('epsilon')}`;
}

/** The note on ignored tensors that might have changed the pictures. */
function leftAside(file: SafetensorsFile): string[] {
  const loras = [...file.tensors.keys()].filter(isLora);
  return loras.length > 0
    ? [
        `${stem(file)} has ${loras.length} tensors of a LoRA beside its networks, which are left aside: ${listed(loras)}`,
      ]
    : [];
}

function checkKind(file: SafetensorsFile): void {
  const missing = missingNetworks(file);
  const other = otherKind(file, missing.length < 3);
  if (other)
    throw new CheckpointError(
      `${file.name} is ${other}; only complete checkpoints of Stable Diffusion 1.x and 2.x are supported: text encoder, UNet and VAE, in one file or in a folder in the layout of diffusers.`,
    );
  if (missing.length === 0) return;
  const kind =
    missing.length < 3
      ? `has no ${missing.join(' and no ')}`
      : 'has no tensors of a Stable Diffusion checkpoint in its original layout (model.diffusion_model..., first_stage_model..., cond_stage_model...)';
  throw new CheckpointError(
    `${file.name} ${kind}. Give a complete checkpoint: text encoder, UNet and VAE, in one file or in a folder in the layout of diffusers.`,
  );
}

/** A config with some of the keys, and the file it is from. */
interface GivenConfig {
  readonly file: string;
  readonly json: Config;
}

/** The config beside the file for each part, from the first place that has the part. */
async function givenConfigs(
  file: SafetensorsFile,
  beside: FileTree,
): Promise<(part: PartName) => Promise<GivenConfig | undefined>> {
  const [jsonFile, yamlFile] = [`${stem(file)}.json`, `${stem(file)}.yaml`];
  const json = await readJson(beside, jsonFile);
  if (json !== undefined && !isObject(json))
    throw new CheckpointError(
      `${nameIn(beside, jsonFile)} is not an object with unet, vae, text_encoder or scheduler.`,
    );
  const yaml = await readText(beside, yamlFile);
  const original = yaml === undefined ? {} : readOriginalYaml(yaml, nameIn(beside, yamlFile));
  return async (part) => {
    const places: [string, unknown][] = [
      [jsonFile, json?.[part]],
      [yamlFile, original[part]],
      [CONFIG_FILES[part], await readJson(beside, CONFIG_FILES[part])],
    ];
    const found = places.find(([, stated]) => stated !== undefined);
    if (!found) return undefined;
    const [path, stated] = found;
    if (!isObject(stated))
      throw new CheckpointError(`${nameIn(beside, path)}: the config of ${part} is not an object.`);
    return { file: nameIn(beside, path), json: stated };
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `NAME` in `folder/NAME.safetensors`, which the files beside it share. */
function stem({ name }: SafetensorsFile): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1).replace(/\.safetensors$/i, '');
}
