import { CheckpointError, listed, UnfitError } from '../errors';
import { type Checkpoint, NETWORKS, type NetworkName, type PartName } from './checkpoint';
import { type FileTree, nameIn, readConfig, readJson } from './fileTree';
import { canonicalNames } from './names';
import { SafetensorsFile } from './safetensors';
import { openShards } from './shards';
import type { TensorSource } from './source';
import { readTokenizer, TOKENIZER_FILES } from './tokenizerFiles';

export const CONFIG_FILES: Readonly<Record<PartName, string>> = {
  unet: 'unet/config.json',
  vae: 'vae/config.json',
  text_encoder: 'text_encoder/config.json',
  scheduler: 'scheduler/scheduler_config.json',
};

/** The file that states a checkpoint's best settings. */
export const DEFAULTS_FILE = 'p2p.json';

/** The folders that a checkpoint has. */
const FOLDERS = [...Object.keys(CONFIG_FILES), 'tokenizer'];

/** The weights' file names without extensions, as diffusers and transformers name them. */
const WEIGHT_FILES: Readonly<Record<NetworkName, string>> = {
  unet: 'unet/diffusion_pytorch_model',
  vae: 'vae/diffusion_pytorch_model',
  text_encoder: 'text_encoder/model',
};

/** The supported pipeline classes in `model_index.json`. */
const PIPELINES = ['StableDiffusionPipeline', 'StableDiffusionImg2ImgPipeline'];

/** Which of a checkpoint's files to use. */
export interface DiffusersOptions {
  /**
   * The variant in the weights' file names, before the extension, such as `fp16`. Default: none, or the only variant
   * there is.
   */
  readonly variant?: string;
}

/**
 * Opens a checkpoint in the diffusers layout: a folder for each network, with its config and weights. Anything else in
 * it (safety checker, feature extractor) is ignored. It has no VAE if there is no folder `vae` and `model_index.json`
 * names none.
 *
 * @throws CheckpointError if it is of another kind; its parts are checked when they are read
 */
export async function openDiffusersLayout(tree: FileTree, { variant }: DiffusersOptions = {}): Promise<Checkpoint> {
  const names = await tree.list('');
  checkKind(tree, names);
  const index = (await readJson(tree, 'model_index.json')) as Index | undefined;
  const pipeline = index?._class_name;
  if (pipeline !== undefined && !PIPELINES.includes(String(pipeline))) {
    throw new CheckpointError(
      `${nameIn(tree, 'model_index.json')}: _class_name is ${JSON.stringify(pipeline)}; only ${PIPELINES[0]} (Stable Diffusion 1.x and 2.x) is supported.`,
    );
  }
  return {
    name: tree.name,
    layout: 'diffusers',
    networks: networksIn(tree, names, index),
    async config(part) {
      const config = await readConfig(tree, CONFIG_FILES[part]);
      if (!config)
        throw new CheckpointError(
          `${nameIn(tree, CONFIG_FILES[part])} is missing: ${tree.name} is not a complete checkpoint in the layout of diffusers.`,
        );
      return config;
    },
    weights: async (network) => canonicalNames(network, await openWeights(tree, network, variant)),
    async tokenizer() {
      const files = await readTokenizer(tree, 'tokenizer');
      if (!files)
        throw new CheckpointError(
          `${nameIn(tree, 'tokenizer')} has neither tokenizer.json nor vocab.json and merges.txt. Get the folder's missing files.`,
        );
      return files;
    },
    notes: async () => [],
    defaults: () => readConfig(tree, DEFAULTS_FILE),
  };
}

/** `model_index.json`: each part with its library and class, or with nulls if the pipeline does not have it. */
type Index = { readonly [key in '_class_name' | NetworkName]?: unknown };

/** @throws CheckpointError if the index names a VAE but there is no folder for it */
function networksIn(tree: FileTree, names: readonly string[], index?: Index): readonly NetworkName[] {
  if (!index || names.includes('vae')) return NETWORKS;
  if (Array.isArray(index.vae) && index.vae.some((name) => name !== null))
    throw new CheckpointError(
      `${nameIn(tree, 'vae')} is missing, which ${nameIn(tree, 'model_index.json')} names: ${tree.name} is not a complete checkpoint.`,
    );
  return NETWORKS.filter((network) => network !== 'vae');
}

/** Rejects a folder that has none of a checkpoint's parts. */
function checkKind(tree: FileTree, names: readonly string[]): void {
  if (['model_index.json', ...FOLDERS].some((name) => names.includes(name))) return;
  const pickles = names.filter((name) => PICKLE.test(name));
  if (pickles.length > 0 && !names.some((name) => name.endsWith('.safetensors')))
    throw new CheckpointError(`${tree.name} has only ${listed(pickles)}. ${WHY_NO_PICKLE}`);
  throw noCheckpoint(tree.name, Object.values(CONFIG_FILES), names);
}

/** @param files the names in the checkpoint's folder itself */
function noCheckpoint(place: string, absent: readonly string[], files: readonly string[]): CheckpointError {
  const single = files.filter((path) => path.endsWith('.safetensors') && !path.includes('/'));
  const instead =
    single.length > 0 ? ` Its ${listed(single)} may be a checkpoint in one file: give the path of that.` : '';
  return new CheckpointError(
    `${place} is not a Stable Diffusion checkpoint in the layout of diffusers: it has no ${listed(absent)}.${instead}`,
  );
}

async function openWeights(tree: FileTree, network: NetworkName, variant?: string): Promise<TensorSource> {
  const [folder] = WEIGHT_FILES[network].split('/');
  const { path, sharded } = chooseWeights(network, await tree.list(folder), tree.name, variant);
  if (sharded) return openShards(tree, path);
  const bytes = await tree.open(path);
  if (!bytes) throw new CheckpointError(`${nameIn(tree, path)} is listed but cannot be opened.`);
  return SafetensorsFile.open(bytes);
}

/** A file with a network's weights, or the index of several. */
export interface WeightFile {
  /** Relative to the checkpoint's folder. */
  readonly path: string;
  /** Such as `fp16`. */
  readonly variant?: string;
  /** Whether it is an index of several files. */
  readonly sharded: boolean;
}

/**
 * The file to read a network's weights from: that of the requested variant, or without one; a single variant is used
 * without being requested.
 *
 * @param names the names in the network's folder
 * @param place the checkpoint's name, for messages
 * @throws CheckpointError listing what there is instead
 */
export function chooseWeights(
  network: NetworkName,
  names: readonly string[],
  place: string,
  variant?: string,
): WeightFile {
  const [folder, base] = WEIGHT_FILES[network].split('/');
  const files = names
    .flatMap((name) => weightFile(folder, name, base) ?? [])
    .sort((a, b) => Number(a.sharded) - Number(b.sharded));
  const variants = [...new Set(files.map((file) => file.variant))];
  const wanted = variant ?? (variants.length === 1 ? variants[0] : undefined);
  return files.find((file) => file.variant === wanted) ?? refuse(`${place}/${folder}`, base, names, variants, variant);
}

/** `base.safetensors`, `base.fp16.safetensors`, `base.safetensors.index.json`, `base.safetensors.index.fp16.json`. */
function weightFile(folder: string, name: string, base: string): WeightFile | undefined {
  if (!name.startsWith(`${base}.`)) return undefined;
  const rest = name.slice(base.length);
  const whole = /^(?:\.(\w+))?\.safetensors$/.exec(rest);
  const index =
    /^\.safetensors\.index(?:\.(\w+))?\.json$/.exec(rest) ?? /^\.(\w+)\.safetensors\.index\.json$/.exec(rest);
  const found = whole ?? index;
  return found ? { path: `${folder}/${name}`, variant: found[1], sharded: found === index } : undefined;
}

function refuse(
  place: string,
  base: string,
  names: readonly string[],
  variants: readonly (string | undefined)[],
  variant?: string,
): never {
  if (variants.length > 0) {
    const wanted = variant === undefined ? 'without a variant' : `of the variant ${variant}`;
    const named = variants.filter((name) => name !== undefined);
    const instead = [
      ...(named.length > 0 ? [`name ${named.join(' or ')} as the variant`] : []),
      ...(variants.includes(undefined) ? ['leave the variant out'] : []),
    ];
    throw new UnfitError(`${place} has no weights ${wanted}: ${instead.join(', or ')}.`);
  }
  const pickles = names.filter((name) => PICKLE.test(name));
  if (pickles.length > 0) throw new CheckpointError(`${place} has only ${listed(pickles)}. ${WHY_NO_PICKLE}`);
  throw new CheckpointError(`${place} has no ${base}.safetensors. Get the missing file.`);
}

/** File names of PyTorch's pickle format. */
export const PICKLE = /\.(?:bin|ckpt|pt|pth|pkl)$/i;

/** The files needed to run a checkpoint, relative to its folder. */
export interface NeededFiles {
  /** Configs and the tokenizer. */
  readonly small: readonly string[];
  /** Indexes of shards. */
  readonly indexes: readonly string[];
  /** Weights, without the shards. */
  readonly weights: readonly string[];
}

/**
 * Selects the files needed from all of a checkpoint's files. Whether it may lack a VAE is checked against its index
 * when it is opened.
 *
 * @param paths every file of the checkpoint
 * @param place the checkpoint's name, for messages
 * @throws CheckpointError if it is not a checkpoint in this layout, or is incomplete
 */
export function neededFiles(paths: readonly string[], place: string, variant?: string): NeededFiles {
  const there = new Set(paths);
  const inFolder = (folder: string) =>
    paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
  const withoutVAE = there.has('model_index.json') && inFolder('vae').length === 0;
  const networks = withoutVAE ? NETWORKS.filter((network) => network !== 'vae') : NETWORKS;
  const configs = Object.values(CONFIG_FILES).filter((path) => !withoutVAE || path !== CONFIG_FILES.vae);
  const absent = configs.filter((path) => !there.has(path));
  if (absent.length > 0) throw noCheckpoint(place, absent, paths);
  const chosen = networks.map((network) => chooseWeights(network, inFolder(network), place, variant));
  const small = ['model_index.json', DEFAULTS_FILE, ...configs, ...TOKENIZER_FILES.map((file) => `tokenizer/${file}`)];
  return {
    small: small.filter((path) => there.has(path)),
    indexes: chosen.filter(({ sharded }) => sharded).map(({ path }) => path),
    weights: chosen.filter(({ sharded }) => !sharded).map(({ path }) => path),
  };
}

/** Why `.bin`, `.ckpt` and `.pt` are not read, and what to do. */
export const WHY_NO_PICKLE =
  "PyTorch's pickle format can run any code when it is read, so it is not read here. Take the checkpoint's safetensors files, or convert it once where you trust it: " +
  'in Python, DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), or StableDiffusionPipeline.from_single_file(FILE).save_pretrained(NEW_FOLDER).';
