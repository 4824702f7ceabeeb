import type { NetworkName } from './checkpoint';
import { isLora } from './kinds';
import { canonicalNames } from './names';
import type { TensorInfo, TensorSource } from './source';
import { type Origin, Origins, viewOf } from './view';

/**
 * The layout of Stable Diffusion's original code (CompVis `latent-diffusion`, Stability AI `stablediffusion`), which
 * single files use: all three networks in one file, with blocks numbered consecutively. Here each network becomes a
 * source with diffusers' names. The mapping is that of diffusers' loaders/single_file_utils.py; the block of a layer
 * follows from the positions of the down- and upsamplers between the blocks.
 */

/** The model family, by its text encoder: CLIP ViT-L/14 (SD 1.x), or OpenCLIP ViT-H/14 (SD 2.x). */
export type Family = 'sd1' | 'sd2';

/** OpenCLIP ViT-H/14's width, and how many of its 24 layers Stable Diffusion 2 uses (`layer: penultimate`). */
const OPEN_CLIP_WIDTH = 1024;
const OPEN_CLIP_LAYERS = 23;

const UNET = 'model.diffusion_model.';
const VAE = 'first_stage_model.';
const CLIP = 'cond_stage_model.transformer.';
const OPEN_CLIP = 'cond_stage_model.model.';

const PREFIXES: Record<NetworkName, readonly string[]> = { unet: [UNET], vae: [VAE], text_encoder: [CLIP, OPEN_CLIP] };

/** The networks without a tensor in the file. */
export function missingNetworks(source: TensorSource): NetworkName[] {
  const keys = [...source.tensors.keys()].filter((key) => !isLora(key));
  const networks = Object.keys(PREFIXES) as NetworkName[];
  return networks.filter((network) => !keys.some((key) => PREFIXES[network].some((prefix) => key.startsWith(prefix))));
}

/**
 * The family, by the names of the text encoder's tensors, or by its width if they are those of transformers, which SD
 * 2.x may have too.
 */
export function familyOf(source: TensorSource): Family {
  const keys = [...source.tensors.keys()];
  if (keys.some((key) => key.startsWith(OPEN_CLIP))) return 'sd2';
  const embedding = keys.find((key) => key.startsWith(CLIP) && key.endsWith('token_embedding.weight'));
  return embedding !== undefined && source.tensors.get(embedding)!.shape[1] === OPEN_CLIP_WIDTH ? 'sd2' : 'sd1';
}

/**
 * One network of a single file. Keys unknown to the layout keep their names, so that loading lists them as left over.
 *
 * @param textLayers how many layers of the text encoder to use; by default all of CLIP's, and all but the last of
 *   OpenCLIP's 24, which Stable Diffusion 2 does not use and a file may lack (`layer: penultimate` in its config)
 */
export function networkOf(source: TensorSource, network: NetworkName, textLayers?: number): TensorSource {
  const named = network === 'unet' ? unet(source) : network === 'vae' ? vae(source) : textEncoder(source, textLayers);
  return canonicalNames(network, viewOf(source, named));
}

// ------------------------------------------------------------------------------------------------ UNet

function unet(source: TensorSource): Origins {
  const keys = keysBelow(source, UNET);
  const down = blockPlaces(keys, /^input_blocks\.([1-9]\d*)\./, /^input_blocks\.(\d+)\.0\.op\./);
  const up = blockPlaces(keys, /^output_blocks\.(\d+)\./, /^output_blocks\.(\d+)\.[12]\.conv\./);
  return renamed(
    source,
    UNET,
    (key) => replaceStart(key, UNET_ENDS) ?? downLayer(key, down) ?? middleLayer(key) ?? upLayer(key, up),
  );
}

const UNET_ENDS: Names = {
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'input_blocks.0.0': 'conv_in',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
};

const UNET_RESNET: Names = {
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
};

/** The diffusers block that a numbered block belongs to, and its layer in that block. */
interface BlockPlace {
  readonly block: number;
  readonly layer: number;
}

/**
 * @param numbered finds a block's number in a key; `sampler` does so if the key belongs to the down- or upsampler that
 *   ends a diffusers block
 */
function blockPlaces(keys: readonly string[], numbered: RegExp, sampler: RegExp): Map<number, BlockPlace> {
  const numbers = (pattern: RegExp) => new Set(keys.flatMap((key) => pattern.exec(key)?.[1] ?? []).map(Number));
  const ends = numbers(sampler);
  const places = new Map<number, BlockPlace>();
  let [block, layer] = [0, 0];
  for (const number of [...numbers(numbered)].sort((a, b) => a - b)) {
    places.set(number, { block, layer });
    [block, layer] = ends.has(number) ? [block + 1, 0] : [block, layer + 1];
  }
  return places;
}

function downLayer(key: string, places: ReadonlyMap<number, BlockPlace>): string | undefined {
  const [, number, slot, rest] = /^input_blocks\.(\d+)\.([01])\.(.+)$/.exec(key) ?? [];
  const place = places.get(Number(number));
  if (!place) return undefined;
  const block = `down_blocks.${place.block}`;
  if (rest.startsWith('op.')) return `${block}.downsamplers.0.conv.${rest.slice('op.'.length)}`;
  return slot === '0' ? resnet(`${block}.resnets.${place.layer}`, rest) : `${block}.attentions.${place.layer}.${rest}`;
}

function middleLayer(key: string): string | undefined {
  const [, slot, rest] = /^middle_block\.([012])\.(.+)$/.exec(key) ?? [];
  if (slot === undefined) return undefined;
  return slot === '1' ? `mid_block.attentions.0.${rest}` : resnet(`mid_block.resnets.${Number(slot) / 2}`, rest);
}

function upLayer(key: string, places: ReadonlyMap<number, BlockPlace>): string | undefined {
  const [, number, slot, rest] = /^output_blocks\.(\d+)\.([012])\.(.+)$/.exec(key) ?? [];
  const place = places.get(Number(number));
  if (!place) return undefined;
  const block = `up_blocks.${place.block}`;
  if (slot === '0') return resnet(`${block}.resnets.${place.layer}`, rest);
  return rest.startsWith('conv.') ? `${block}.upsamplers.0.${rest}` : `${block}.attentions.${place.layer}.${rest}`;
}

function resnet(path: string, rest: string): string | undefined {
  const name = replaceStart(rest, UNET_RESNET);
  return name && `${path}.${name}`;
}

// ------------------------------------------------------------------------------------------------ VAE

function vae(source: TensorSource): Origins {
  const keys = keysBelow(source, VAE);
  const levels = 1 + Math.max(-1, ...new Set(keys.map((key) => Number(/^decoder\.up\.(\d+)\./.exec(key)?.[1] ?? -1))));
  return renamed(
    source,
    VAE,
    (key) => {
      const [, half, rest] = /^(encoder|decoder)\.(.+)$/.exec(key) ?? [];
      if (half === undefined) return key;
      const name = replaceStart(rest, VAE_ENDS) ?? vaeLayer(rest, levels);
      return name && `${half}.${name}`;
    },
    (key) => /^(?:loss|model_ema)\./.test(key),
  );
}

const VAE_ENDS: Names = {
  conv_in: 'conv_in',
  norm_out: 'conv_norm_out',
  conv_out: 'conv_out',
  'mid.block_1': 'mid_block.resnets.0',
  'mid.block_2': 'mid_block.resnets.1',
  'mid.attn_1.norm': 'mid_block.attentions.0.group_norm',
  'mid.attn_1.q': 'mid_block.attentions.0.to_q',
  'mid.attn_1.k': 'mid_block.attentions.0.to_k',
  'mid.attn_1.v': 'mid_block.attentions.0.to_v',
  'mid.attn_1.proj_out': 'mid_block.attentions.0.to_out.0',
  // As some converters write them: with diffusers' names, old or new, and linear layers.
  'mid.attn_1': 'mid_block.attentions.0',
};

/** Levels are numbered from the picture down; diffusers numbers the decoder's in order of evaluation. */
function vaeLayer(key: string, levels: number): string | undefined {
  const [, way, level, rest] = /^(down|up)\.(\d+)\.(.+)$/.exec(key) ?? [];
  if (way === undefined) return undefined;
  const block = way === 'down' ? `down_blocks.${level}` : `up_blocks.${levels - 1 - Number(level)}`;
  const name =
    replaceStart(rest, { 'downsample.conv': 'downsamplers.0.conv', 'upsample.conv': 'upsamplers.0.conv' }) ??
    rest.replace(/^block\./, 'resnets.').replace('nin_shortcut', 'conv_shortcut');
  return `${block}.${name}`;
}

// ------------------------------------------------------------------------------------------------ text encoders

function textEncoder(source: TensorSource, layers?: number): Origins {
  if (keysBelow(source, OPEN_CLIP).length > 0) return openClip(source, layers);
  const used = layers ?? (familyOf(source) === 'sd2' ? OPEN_CLIP_LAYERS : Infinity);
  const unused = (key: string) => Number(/^(?:text_model\.)?encoder\.layers\.(\d+)\./.exec(key)?.[1] ?? -1) >= used;
  return renamed(source, CLIP, (key) => key, unused);
}

const OPEN_CLIP_ENDS: Names = {
  'token_embedding.weight': 'embeddings.token_embedding.weight',
  positional_embedding: 'embeddings.position_embedding.weight',
  'ln_final.weight': 'final_layer_norm.weight',
  'ln_final.bias': 'final_layer_norm.bias',
};

const OPEN_CLIP_LAYER: Names = {
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
  'attn.out_proj': 'self_attn.out_proj',
};

function openClip(source: TensorSource, layers?: number): Origins {
  const keys = keysBelow(source, OPEN_CLIP);
  const layerOf = (key: string) => Number(/^transformer\.resblocks\.(\d+)\./.exec(key)?.[1] ?? -1);
  const stored = 1 + Math.max(-1, ...new Set(keys.map(layerOf)));
  const used = layers ?? (stored === OPEN_CLIP_LAYERS ? stored : stored - 1);
  const isUsed = (key: string) => layerOf(key) < used && !/^(?:text_projection|logit_scale|attn_mask)$/.test(key);
  const origins = new Origins(source);
  for (const key of keys.filter(isUsed)) {
    const [, layer, rest] = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(key) ?? [];
    const path = `encoder.layers.${layer}`;
    const [, kind] = /^attn\.in_proj_(weight|bias)$/.exec(rest ?? '') ?? [];
    if (kind) {
      addInputProjections(origins, `${path}.self_attn`, kind, whole(source, OPEN_CLIP + key));
    } else {
      const name = layer === undefined ? replaceStart(key, OPEN_CLIP_ENDS) : replaceStart(rest, OPEN_CLIP_LAYER);
      origins.add(
        name === undefined ? OPEN_CLIP + key : layer === undefined ? name : `${path}.${name}`,
        whole(source, OPEN_CLIP + key),
      );
    }
  }
  return origins;
}

/** PyTorch's `MultiheadAttention` stacks the projections to queries, keys and values in one matrix. */
function addInputProjections(
  origins: Origins,
  path: string,
  kind: string,
  { key, shape: [rows, ...rest] }: Origin,
): void {
  ['q_proj', 'k_proj', 'v_proj'].forEach((name, i) =>
    origins.add(`${path}.${name}.${kind}`, { key, shape: [rows / 3, ...rest], row: (i * rows) / 3 }),
  );
}

// ------------------------------------------------------------------------------------------------ shared

type Names = Readonly<Record<string, string>>;

/** @param rename maps the key after the prefix to diffusers' name, or undefined if the layout has no such key */
function renamed(
  source: TensorSource,
  prefix: string,
  rename: (key: string) => string | undefined,
  unused: (key: string) => boolean = () => false,
): Origins {
  const origins = new Origins(source);
  for (const key of keysBelow(source, prefix)) {
    if (!unused(key)) origins.add(rename(key) ?? prefix + key, whole(source, prefix + key));
  }
  return origins;
}

function keysBelow(source: TensorSource, prefix: string): string[] {
  return [...source.tensors.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}

function whole(source: TensorSource, key: string): Origin {
  return { key, shape: (source.tensors.get(key) as TensorInfo).shape };
}

/** The name with its start replaced, if the start is in the table and ends at a dot or the name's end. */
function replaceStart(name: string, table: Names): string | undefined {
  const start = Object.keys(table).find((key) => name === key || name.startsWith(`${key}.`));
  return start && table[start] + name.slice(start.length);
}
