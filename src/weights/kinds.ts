import type { TensorSource } from './source';

/** Files often mistaken for a Stable Diffusion 1.x or 2.x checkpoint, recognised by their tensor names. */
const OTHERS: readonly [RegExp, string][] = [
  [/^conditioner\./, 'a Stable Diffusion XL checkpoint'],
  [/(?:^|\.)joint_blocks\./, 'a Stable Diffusion 3 checkpoint'],
  [/(?:^|\.)double_blocks\./, 'a Flux checkpoint'],
  [/^control_model\.|^input_hint_block\.|^controlnet_(?:cond_embedding|down_blocks)\./, 'a ControlNet'],
];

const LORA = /^lora_|\.lora(?:_linear_layer)?\.|\.?lora_?(?:down|up|A|B|a|b)(?:\.|$)|_lora\./;

/** Additions, which are files of their own or leftovers in a checkpoint. */
const ADDITIONS: readonly [RegExp, string][] = [
  [LORA, 'a LoRA, which changes a checkpoint and is none: give it beside one, by --lora or `loras`'],
  [/^emb_params$|^string_to_param/, 'an embedding (textual inversion)'],
];

/** Single networks, as diffusers saves them. */
const PARTS: readonly [RegExp, string][] = [
  [/^(?:down_blocks|up_blocks|mid_block)\..*(?:attn2|time_emb_proj)\./, 'a UNet alone'],
  [/^(?:encoder|decoder)\.(?:mid_block|mid)\./, 'a VAE alone'],
  [/^(?:text_model\.)?encoder\.layers\./, 'a text encoder alone'],
];

/**
 * What kind of file it is, if its tensor names show that it is not a Stable Diffusion 1.x or 2.x checkpoint.
 *
 * @param networks whether it has networks of a checkpoint: then additions in it are only leftovers
 */
export function otherKind({ tensors }: TensorSource, networks: boolean): string | undefined {
  const names = [...tensors.keys()];
  const kinds = networks ? OTHERS : [...OTHERS, ...ADDITIONS, ...PARTS];
  return kinds.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}

/** Whether a tensor is a LoRA's. */
export function isLora(name: string): boolean {
  return LORA.test(name);
}

/** What to do about tensors that no network has, if their names show why they are there. */
export function hintOn(names: readonly string[]): string | undefined {
  if (names.some((name) => /\.base_layer\./.test(name) || isLora(name)))
    return (
      'These are of a LoRA that was not merged into the weights. Merge it and save again: in Python, ' +
      'pipe.fuse_lora(); pipe.unload_lora_weights(); pipe.save_pretrained(NEW_FOLDER).'
    );
  if (names.some((name) => /(?:^|\.)(?:scaled_fp8|scale_(?:weight|input)|input_scale|weight_scale)$/.test(name)))
    return 'These are the scales of 8-bit floats, without which the weights are not what they were. Save them as F16.';
  return undefined;
}

/** The purpose of UNets that take more than latents, by the number of extra input channels. */
const BESIDES: Readonly<Record<number, string>> = {
  1: 'depth (depth2img)',
  3: 'upscaling',
  4: 'editing by instruction (InstructPix2Pix)',
  5: 'inpainting',
};

/** What is wrong with a UNet that takes more or less than latents; undefined if it takes just them. */
export function inputProblem(inChannels: number, latentChannels: number): string | undefined {
  if (inChannels === latentChannels) return undefined;
  const purpose = BESIDES[inChannels - latentChannels];
  const kind = purpose ? `It is a model for ${purpose}; only` : 'Only';
  return `its UNet takes ${inChannels} channels where latents have ${latentChannels}. ${kind} models that make pictures from text alone are supported.`;
}
