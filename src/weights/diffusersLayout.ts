import type { Checkpoint, NetworkName, PartName } from './checkpoint';
import { CheckpointError } from './error';
import { type FileTree, nameIn, readJson } from './fileTree';
import { canonicalNames } from './names';
import { SafetensorsFile } from './safetensors';
import { openShards } from './shards';
import type { TensorSource } from './source';
import { readTokenizer } from './tokenizerFiles';

export const CONFIG_FILES: Readonly<Record<PartName, string>> = {
  unet: 'unet/config.json',
  vae: 'vae/config.json',
  text_encoder: 'text_encoder/config.json',
  scheduler: 'scheduler/scheduler_config.json',
};

/** The weights' file names without their endings: diffusers' name, and transformers'. */
export const WEIGHT_FILES: Readonly<Record<NetworkName, string>> = {
  unet: 'unet/diffusion_pytorch_model',
  vae: 'vae/diffusion_pytorch_model',
  text_encoder: 'text_encoder/model',
};

/** The pipelines whose networks these are, in `model_index.json`. */
const PIPELINES = ['StableDiffusionPipeline', 'StableDiffusionImg2ImgPipeline'];

export interface DiffusersOptions {
  /** What stands in the weights' file names before the ending, such as `fp16`. By default none, or else the only one there is. */
  readonly variant?: string;
}

/**
 * A checkpoint in the layout of diffusers: a folder for each network, with its config and its weights. Of what else there may be
 * (safety checker, feature extractor) nothing is read.
 *
 * @throws CheckpointError if it is of another kind; the parts are checked when they are asked for
 */
export async function openDiffusersLayout(tree: FileTree, { variant }: DiffusersOptions = {}): Promise<Checkpoint> {
  const index = (await readJson(tree, 'model_index.json')) as { _class_name?: unknown } | undefined;
  const pipeline = index?._class_name;
  if (pipeline !== undefined && !PIPELINES.includes(String(pipeline))) {
    throw new CheckpointError(`${nameIn(tree, 'model_index.json')}: _class_name is ${JSON.stringify(pipeline)}; only ${PIPELINES[0]} (Stable Diffusion 1.x and 2.x) is supported.`);
  }
  return {
    name: tree.name,
    layout: 'diffusers',
    async config(part) {
      const json = await readJson(tree, CONFIG_FILES[part]);
      if (json === undefined) throw new CheckpointError(`${nameIn(tree, CONFIG_FILES[part])} is missing: ${tree.name} is not a whole checkpoint in the layout of diffusers.`);
      return { file: nameIn(tree, CONFIG_FILES[part]), json };
    },
    weights: async (network) => canonicalNames(network, await openWeights(tree, network, variant)),
    async tokenizer() {
      const files = await readTokenizer(tree, 'tokenizer');
      if (!files) throw new CheckpointError(`${nameIn(tree, 'tokenizer')} has neither tokenizer.json nor vocab.json and merges.txt. Get the folder's missing files.`);
      return files;
    },
  };
}

async function openWeights(tree: FileTree, network: NetworkName, variant?: string): Promise<TensorSource> {
  const [folder, base] = WEIGHT_FILES[network].split('/');
  const files = weightFiles(await tree.list(folder), base);
  const file = files.find((candidate) => candidate.variant === variant) ?? (variant === undefined && files.length === 1 ? files[0] : undefined);
  if (!file) throw new CheckpointError(await whyNoWeights(tree, folder, base, files, variant));
  const path = `${folder}/${file.name}`;
  if (file.sharded) return openShards(tree, path);
  return SafetensorsFile.open(await tree.open(path).then((bytes) => bytes ?? Promise.reject(new CheckpointError(`${nameIn(tree, path)} cannot be read.`))));
}

/** One way in which a network's weights lie in a folder. */
export interface WeightFile {
  readonly name: string;
  readonly variant?: string;
  /** Whether it is the index of several files. */
  readonly sharded: boolean;
}

/** `base.safetensors`, `base.fp16.safetensors`, `base.safetensors.index.json`, `base.safetensors.index.fp16.json`; whole files first. */
export function weightFiles(names: readonly string[], base: string): WeightFile[] {
  const found = names.flatMap((name): WeightFile[] => {
    if (!name.startsWith(`${base}.`)) return [];
    const rest = name.slice(base.length);
    const whole = /^(?:\.([\w-]+))?\.safetensors$/.exec(rest);
    if (whole && !/^\d+-of-\d+$/.test(whole[1] ?? '')) return [{ name, variant: whole[1], sharded: false }];
    const index = /^\.safetensors\.index(?:\.([\w-]+))?\.json$/.exec(rest) ?? /^\.([\w-]+)\.safetensors\.index\.json$/.exec(rest);
    return index ? [{ name, variant: index[1], sharded: true }] : [];
  });
  return found.sort((a, b) => Number(a.sharded) - Number(b.sharded));
}

async function whyNoWeights(tree: FileTree, folder: string, base: string, files: readonly WeightFile[], variant?: string): Promise<string> {
  const place = nameIn(tree, folder);
  if (files.length > 0) {
    const variants = files.map((file) => file.variant ?? 'none').join(', ');
    return `${place} has no weights of ${variant === undefined ? 'no variant' : `variant ${variant}`}; there are: ${variants}. Name one of these as the variant.`;
  }
  const pickles = (await tree.list(folder)).filter((name) => /\.(?:bin|ckpt|pt|pth)$/.test(name));
  if (pickles.length > 0) return `${place} has only ${pickles.join(', ')}. ${WHY_NO_PICKLE}`;
  return `${place} has no ${base}.safetensors. Get the missing file.`;
}

/** What is wrong with `.bin`, `.ckpt` and `.pt`, and what to do. */
export const WHY_NO_PICKLE =
  'PyTorch\'s pickle format can run any code when it is read, so it is not read here. Take the checkpoint\'s safetensors files, or convert it once where you trust it: '
  + 'in Python, DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), or StableDiffusionPipeline.from_single_file(FILE).save_pretrained(NEW_FOLDER).';
