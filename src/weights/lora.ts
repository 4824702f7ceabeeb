import * as tf from '@tensorflow/tfjs';
import { listed, UnfitError } from '../errors';
import type { Checkpoint, NetworkName } from './checkpoint';
import { LoraAlphas } from './loraAlphas';
import type { SafetensorsFile } from './safetensors';
import type { TensorSource } from './source';
import { count } from './view';

/** A LoRA (Hu et al. 2021), and its scale. */
export interface Lora<File = SafetensorsFile> {
  readonly file: File;
  /** Default: 1. Less than 0 subtracts it. */
  readonly scale?: number;
}

/**
 * A checkpoint with LoRAs merged into the weights of its UNet and text encoder: each W becomes W + scale · alpha / rank
 * · up · down as it is loaded (diffusers' `load_lora_weights` and `fuse_lora`). It supports linear layers and
 * convolutions, and the names of PEFT (`unet.….lora_A.weight`), older diffusers (`lora.down`) and kohya's trainer
 * (`lora_unet_….lora_down.weight`). An alpha given neither in the file's metadata nor beside the layer is the rank.
 *
 * @throws CheckpointError naming the tensors that belong to no layer or do not match its shape; RangeError for a scale
 *   that is not finite
 */
export async function withLoras(checkpoint: Checkpoint, loras: readonly Lora[]): Promise<Checkpoint> {
  if (loras.length === 0) return checkpoint;
  const layers = await layersOf(checkpoint);
  const changes: Change[] = [];
  for (const lora of loras) changes.push(...(await changesOf(lora, layers, checkpoint.name)));
  return {
    ...checkpoint,
    async weights(network) {
      const source = await checkpoint.weights(network);
      const own = changes.filter(({ layer }) => layer.network === network);
      return own.length > 0 ? changed(source, own) : source;
    },
  };
}

/** The weights of a linear layer or a convolution. */
interface Layer {
  readonly network: NetworkName;
  /** The layer's path in the network. */
  readonly path: string;
  readonly shape: readonly number[];
}

/** What a LoRA adds to a layer's weights: factor · up · down. */
interface Change {
  readonly layer: Layer;
  readonly file: SafetensorsFile;
  readonly up: string;
  readonly down: string;
  readonly rank: number;
  readonly factor: number;
}

// ------------------------------------------------------------------------------------------------ names

/** The layers that a LoRA may change, by every name they may have in a file. */
async function layersOf(checkpoint: Checkpoint): Promise<Map<string, Layer>> {
  const layers = new Map<string, Layer>();
  for (const network of ['unet', 'text_encoder'] as const) {
    for (const [key, { shape }] of (await checkpoint.weights(network)).tensors) {
      if (!key.endsWith('.weight') || shape.length < 2) continue;
      const path = key.slice(0, -'.weight'.length);
      const layer = { network, path, shape };
      for (const name of NAMES[network](path)) layers.set(name, layer);
    }
  }
  return layers;
}

const NAMES = {
  unet: (path: string) => [path, `unet.${path}`, `lora_unet_${underscored(path)}`],
  // With and without `text_model.`, as versions of transformers differ.
  text_encoder: (path: string) =>
    [path, path.replace(/^text_model\./, '')].flatMap((one) => [
      `text_encoder.${one}`,
      `lora_te_${underscored(one)}`,
      `lora_te1_${underscored(one)}`,
    ]),
};

function underscored(path: string): string {
  return path.replaceAll('.', '_');
}

type Part = 'up' | 'down' | 'alpha';

/** The endings of a layer's tensor names, and which part each is. */
const ENDINGS: readonly (readonly [ending: string, part: Part])[] = [
  ['.lora_A.weight', 'down'],
  ['.lora_B.weight', 'up'],
  ['.lora_down.weight', 'down'],
  ['.lora_up.weight', 'up'],
  ['.lora.down.weight', 'down'],
  ['.lora.up.weight', 'up'],
  ['.lora_linear_layer.down.weight', 'down'],
  ['.lora_linear_layer.up.weight', 'up'],
  ['.alpha', 'alpha'],
];

// ------------------------------------------------------------------------------------------------ changes

async function changesOf(
  { file, scale = 1 }: Lora,
  layers: ReadonlyMap<string, Layer>,
  checkpoint: string,
): Promise<Change[]> {
  if (!Number.isFinite(scale)) throw new RangeError(`The scale of ${file.name} is not a number: ${scale}.`);
  const alphas = LoraAlphas.of(file);
  const changes: Change[] = [];
  for (const [layer, keys] of partsByLayer(file, layers, checkpoint)) {
    const { up, down, rank } = checkedParts(file, layer, keys);
    const own = keys.alpha === undefined ? undefined : (await file.read(keys.alpha))[0];
    const factor = own === undefined ? alphas.factor(layer, rank) : own / rank;
    changes.push({ layer, file, up, down, rank, factor: scale * factor });
  }
  return changes;
}

type Keys = Partial<Record<Part, string>>;

/** @throws UnfitError listing the tensors that belong to no layer */
function partsByLayer(
  file: SafetensorsFile,
  layers: ReadonlyMap<string, Layer>,
  checkpoint: string,
): ReadonlyMap<Layer, Keys> {
  const parts = new Map<Layer, Keys>();
  const unknown: string[] = [];
  for (const key of file.tensors.keys()) {
    const [ending, part] = ENDINGS.find(([ending]) => key.endsWith(ending)) ?? [];
    const layer = ending && layers.get(key.slice(0, -ending.length));
    if (!layer || !part) {
      unknown.push(key);
      continue;
    }
    const others = parts.get(layer);
    if (others?.[part])
      throw new UnfitError(`${file.name}: ${others[part]} and ${key} are the same. Save it with one of them.`);
    parts.set(layer, { ...others, [part]: key });
  }
  if (unknown.length > 0 || parts.size === 0)
    throw new UnfitError(
      `${file.name} does not fit ${checkpoint}, which has no layer for ${listed(unknown) || 'any of its tensors: there are none'}. ${hintOn(unknown)}`,
    );
  return parts;
}

function hintOn(unknown: readonly string[]): string {
  const other = unknown.some((key) =>
    /\.(?:hada_|lokr_|dora_scale|lora_magnitude_vector|lora_mid|diff(?:_b)?$)/.test(key),
  );
  return other
    ? 'LoHa, LoKr, DoRA and differences of whole weights are not supported: only plain LoRAs are.'
    : 'Take a LoRA that was made for Stable Diffusion 1.x or 2.x, whichever the checkpoint is.';
}

/** @throws UnfitError if one of a layer's two matrices is missing, or does not match its shape */
function checkedParts(
  { name, tensors }: SafetensorsFile,
  { path, shape }: Layer,
  { up, down }: Keys,
): { up: string; down: string; rank: number } {
  if (up === undefined || down === undefined)
    throw new UnfitError(`${name} does not have both matrices of ${path}, down (A) and up (B). Get the file again.`);
  const [outputs, ...inputs] = shape;
  const [ofUp, ofDown] = [tensors.get(up)!.shape, tensors.get(down)!.shape];
  const [rank] = ofDown;
  if (!sameSizes(ofDown, [rank, ...inputs]) || !sameSizes(ofUp, [outputs, rank]))
    throw new UnfitError(
      `${name}: ${down} [${ofDown.join(', ')}] and ${up} [${ofUp.join(', ')}] do not fit ${path}.weight [${shape.join(', ')}]. ` +
        'Use a LoRA made for this kind of checkpoint.',
    );
  return { up, down, rank };
}

/**
 * Whether shapes are the same except for a kernel of size 1: some checkpoints have linear layers where others have
 * convolutions.
 */
function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  const axes = Array.from({ length: Math.max(a.length, b.length) }, (_, axis) => axis);
  return axes.every((axis) => (a[axis] ?? 1) === (b[axis] ?? 1));
}

// ------------------------------------------------------------------------------------------------ weights

/** The source with the changes added to its weights as they are read. */
function changed(source: TensorSource, changes: readonly Change[]): TensorSource {
  const byKey = new Map<string, Change[]>();
  for (const change of changes) {
    const key = `${change.layer.path}.weight`;
    byKey.set(key, [...(byKey.get(key) ?? []), change]);
  }
  return {
    name: `${source.name} with ${[...new Set(changes.map(({ file }) => file.name))].join(' and ')}`,
    tensors: source.tensors,
    async read(key) {
      const numbers = await source.read(key);
      for (const change of byKey.get(key) ?? []) {
        const added = await product(change);
        for (let i = 0; i < numbers.length; i++) numbers[i] += added[i];
      }
      return numbers;
    },
    place: (key) => (byKey.has(key) ? undefined : source.place?.(key)),
  };
}

/** factor · up · down, in row-major order. */
async function product({ layer: { shape }, file, up, down, rank, factor }: Change): Promise<Float32Array> {
  const [u, d] = [await file.read(up), await file.read(down)];
  const result = tf.tidy(() =>
    tf.mul(tf.matMul(tf.tensor2d(u, [shape[0], rank]), tf.tensor2d(d, [rank, count(shape.slice(1))])), factor),
  );
  try {
    return await result.data<'float32'>();
  } finally {
    result.dispose();
  }
}
