import type { TensorSource } from './source';

/** Files that are often taken for a Stable Diffusion 1.x or 2.x checkpoint, by the names of their tensors. */
const OTHERS: readonly [RegExp, string][] = [
  [/^conditioner\./, 'a Stable Diffusion XL checkpoint'],
  [/(?:^|\.)joint_blocks\./, 'a Stable Diffusion 3 checkpoint'],
  [/(?:^|\.)double_blocks\./, 'a Flux checkpoint'],
  [/^control_model\.|^input_hint_block\.|^controlnet_(?:cond_embedding|down_blocks)\./, 'a ControlNet'],
  [
    /^lora_|\.lora(?:_linear_layer)?\.|\.?lora_?(?:down|up|A|B|a|b)(?:\.|$)|_lora\./,
    'a LoRA, which changes a checkpoint and is none',
  ],
  [/^emb_params$|^string_to_param/, 'an embedding (textual inversion)'],
];

/** Networks alone, as diffusers saves them. */
const PARTS: readonly [RegExp, string][] = [
  [/^(?:down_blocks|up_blocks|mid_block)\..*(?:attn2|time_emb_proj)\./, 'a UNet alone'],
  [/^(?:encoder|decoder)\.(?:mid_block|mid)\./, 'a VAE alone'],
  [/^(?:text_model\.)?encoder\.layers\./, 'a text encoder alone'],
];

/** What a file is that is no Stable Diffusion 1.x or 2.x checkpoint, where its tensors' names tell. */
export function otherKind({ tensors }: TensorSource): string | undefined {
  const names = [...tensors.keys()];
  return [...OTHERS, ...PARTS].find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}

/** What UNets are for that take more than latents, by the number of channels that they take besides. */
const BESIDES: Readonly<Record<number, string>> = {
  1: 'depth (depth2img)',
  3: 'upscaling',
  4: 'editing by instruction (InstructPix2Pix)',
  5: 'inpainting',
};

/** What is wrong with a UNet that takes more, or less, than latents; nothing if it takes just them. */
export function inputProblem(inChannels: number, latentChannels: number): string | undefined {
  if (inChannels === latentChannels) return undefined;
  const purpose = BESIDES[inChannels - latentChannels];
  const kind = purpose ? `It is a model for ${purpose}; only` : 'Only';
  return `its UNet takes ${inChannels} channels where latents have ${latentChannels}. ${kind} models that make pictures from text alone are supported.`;
}
