import { z } from 'zod';
import { harmless, only, parseConfig } from '../config';

/**
 * The configs of the networks, with the names and defaults of diffusers and transformers. All of their keys are listed:
 * those that the networks read, those with a single supported value, and harmless ones.
 */

/** Far more than any checkpoint has, yet small enough that nothing breaks before the weights' shapes are checked. */
const MOST = 2 ** 20;
const MOST_LAYERS = 1000;
const MOST_LEVELS = 16;
/** 65,536 pixels per side. */
const MOST_LATENTS = 8192;

const size = z.int().positive().max(MOST);
const layers = z.int().positive().max(MOST_LAYERS);
const latents = z.int().positive().max(MOST_LATENTS);
const sizes = z.array(size).nonempty().max(MOST_LEVELS);
const layersOrList = z.union([layers, z.array(layers).nonempty().max(MOST_LEVELS)], {
  error: `expected a positive integer, or a list of them, of at most ${MOST_LAYERS}`,
});
const sizeOrSizes = z.union([size, sizes], {
  error: `expected a positive integer, or a list of them, of at most ${MOST}`,
});

const downBlockType = z.enum(['CrossAttnDownBlock2D', 'DownBlock2D']);
const upBlockType = z.enum(['CrossAttnUpBlock2D', 'UpBlock2D']);

const unetSchema = z
  .object({
    _class_name: only('UNet2DConditionModel'),
    sample_size: z
      .union([latents, z.tuple([latents, latents])], {
        error: `expected a positive integer of at most ${MOST_LATENTS}, or a height and a width`,
      })
      .nullable()
      .default(null),
    in_channels: size.default(4),
    out_channels: size.default(4),
    center_input_sample: only(false),
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().min(0).max(1).default(0),
    down_block_types: z
      .array(downBlockType)
      .nonempty()
      .default(['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D']),
    mid_block_type: only('UNetMidBlock2DCrossAttn'),
    up_block_types: z
      .array(upBlockType)
      .nonempty()
      .default(['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D']),
    only_cross_attention: z
      .union([z.literal(false), z.array(z.literal(false))], { error: 'only false is supported' })
      .default(false),
    block_out_channels: sizes.default([320, 640, 1280, 1280]),
    layers_per_block: layersOrList.default(2),
    downsample_padding: z.int().min(0).max(1).default(1),
    mid_block_scale_factor: z.number().positive().max(1e6).default(1),
    dropout: harmless,
    act_fn: only('silu', 'swish'),
    norm_num_groups: size.default(32),
    norm_eps: z.number().positive().max(1).default(1e-5),
    cross_attention_dim: size.default(1280),
    transformer_layers_per_block: layersOrList.default(1),
    reverse_transformer_layers_per_block: only(null),
    encoder_hid_dim: only(null),
    encoder_hid_dim_type: only(null),
    /**
     * Despite its name, the number of heads in every known checkpoint; diffusers reads it that way and rejects
     * `num_attention_heads`.
     */
    attention_head_dim: sizeOrSizes.default(8),
    num_attention_heads: only(null),
    dual_cross_attention: only(false),
    use_linear_projection: z.boolean().default(false),
    class_embed_type: only(null),
    addition_embed_type: only(null),
    addition_embed_type_num_heads: harmless,
    addition_time_embed_dim: only(null),
    num_class_embeds: only(null),
    /** Asks for float32 attention when the rest is float16; here everything is float32. */
    upcast_attention: harmless,
    resnet_time_scale_shift: only('default'),
    resnet_skip_time_act: only(false),
    resnet_out_scale_factor: only(1),
    time_embedding_type: only('positional'),
    time_embedding_dim: only(null),
    time_embedding_act_fn: only(null),
    timestep_post_act: only(null),
    time_cond_proj_dim: only(null),
    conv_in_kernel: only(3),
    conv_out_kernel: only(3),
    projection_class_embeddings_input_dim: only(null),
    attention_type: only('default'),
    class_embeddings_concat: only(false),
    mid_block_only_cross_attention: only(null, false),
    cross_attention_norm: only(null),
  })
  .check(({ value: config, issues }) => {
    const wrong = (key: keyof typeof config, message: string) =>
      issues.push({ code: 'custom', path: [key], input: config[key], message });
    const levels = config.block_out_channels.length;
    const perLevel = [
      'down_block_types',
      'up_block_types',
      'layers_per_block',
      'transformer_layers_per_block',
      'attention_head_dim',
    ] as const;
    for (const key of perLevel) {
      const list = config[key];
      if (Array.isArray(list) && list.length !== levels)
        wrong(key, `expected ${levels} of them, one for each of block_out_channels`);
    }
    config.block_out_channels.forEach((channels, level) => {
      const heads = atLevel(config.attention_head_dim, level);
      if (heads && channels % heads !== 0)
        wrong('attention_head_dim', `${channels} channels cannot be split into ${heads} heads of equal size`);
      if (channels % config.norm_num_groups !== 0)
        wrong('norm_num_groups', `${channels} channels cannot be split into that many groups of equal size`);
    });
    if (config.block_out_channels[0] % 2 !== 0)
      wrong('block_out_channels', 'the first must be even: it is the size of the embedding of timesteps');
  });

const vaeSchema = z
  .object({
    _class_name: only('AutoencoderKL'),
    in_channels: size.default(3),
    out_channels: size.default(3),
    down_block_types: z.array(z.literal('DownEncoderBlock2D')).nonempty().default(['DownEncoderBlock2D']),
    up_block_types: z.array(z.literal('UpDecoderBlock2D')).nonempty().default(['UpDecoderBlock2D']),
    block_out_channels: sizes.default([64]),
    layers_per_block: layers.default(1),
    act_fn: only('silu', 'swish'),
    latent_channels: size.default(4),
    norm_num_groups: size.default(32),
    sample_size: harmless,
    /** What latents are multiplied by after encoding, and divided by before decoding. */
    scaling_factor: z.number().min(1e-6).max(1e6).default(0.18215),
    /** What is subtracted from latents before scaling. */
    shift_factor: z.number().min(-1e6).max(1e6).nullable().default(null),
    latents_mean: only(null),
    latents_std: only(null),
    /** Asks for float32 decoding when the rest is float16; here everything is float32. */
    force_upcast: harmless,
    use_quant_conv: z.boolean().default(true),
    use_post_quant_conv: z.boolean().default(true),
    mid_block_add_attention: z.boolean().default(true),
  })
  .check(({ value: config, issues }) => {
    const wrong = (key: keyof typeof config, message: string) =>
      issues.push({ code: 'custom', path: [key], input: config[key], message });
    const levels = config.block_out_channels.length;
    for (const key of ['down_block_types', 'up_block_types'] as const) {
      if (config[key].length !== levels) wrong(key, `expected ${levels} of them, one for each of block_out_channels`);
    }
    for (const channels of config.block_out_channels) {
      if (channels % config.norm_num_groups !== 0)
        wrong('norm_num_groups', `${channels} channels cannot be split into that many groups of equal size`);
    }
  });

/** Keys that transformers writes into every config but that do not affect CLIP's text encoder. */
const transformersNotes = [
  'architectures',
  'torch_dtype',
  'dtype',
  'transformers_version',
  'initializer_factor',
  'initializer_range',
  'attention_dropout',
  'dropout',
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'projection_dim',
  'return_dict',
  'chunk_size_feed_forward',
  'id2label',
  'label2id',
  'problem_type',
  'pruned_heads',
  'is_encoder_decoder',
  'max_length',
  'min_length',
  'num_beams',
  'num_beam_groups',
  'diversity_penalty',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'repetition_penalty',
  'length_penalty',
  'encoder_no_repeat_ngram_size',
  'no_repeat_ngram_size',
  'num_return_sequences',
  'tie_word_embeddings',
  'output_attentions',
  'output_hidden_states',
  'use_cache',
  'gradient_checkpointing',
] as const;

const clipTextSchema = z
  .object({
    ...Object.fromEntries(transformersNotes.map((key) => [key, harmless])),
    model_type: only('clip_text_model'),
    vocab_size: size.default(49408),
    hidden_size: size.default(512),
    intermediate_size: size.default(2048),
    num_hidden_layers: layers.default(12),
    num_attention_heads: size.default(8),
    max_position_embeddings: size.default(77),
    hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
    layer_norm_eps: z.number().positive().max(1).default(1e-5),
  })
  .check(({ value: config, issues }) => {
    if (config.hidden_size % config.num_attention_heads !== 0) {
      const message = `${config.hidden_size} features do not fall into as many heads of equal size`;
      issues.push({ code: 'custom', path: ['num_attention_heads'], input: config.num_attention_heads, message });
    }
  });

/** A UNet's `config.json`, checked, with diffusers' defaults. */
export type UNetConfig = z.output<typeof unetSchema>;
/** A VAE's `config.json`, checked, with diffusers' defaults. */
export type VAEConfig = z.output<typeof vaeSchema>;
/** A text encoder's `config.json`, checked, with transformers' defaults. */
export type CLIPTextConfig = z.output<typeof clipTextSchema>;

/** @throws ConfigError naming `file`, and each key and value that is wrong or not supported */
export const parseUNetConfig = (json: unknown, file = 'unet/config.json'): UNetConfig =>
  parseConfig(unetSchema, json, file);
/** @throws ConfigError, as `parseUNetConfig` */
export const parseVAEConfig = (json: unknown, file = 'vae/config.json'): VAEConfig =>
  parseConfig(vaeSchema, json, file);
/** @throws ConfigError, as `parseUNetConfig` */
export const parseCLIPTextConfig = (json: unknown, file = 'text_encoder/config.json'): CLIPTextConfig =>
  parseConfig(clipTextSchema, json, file);

/** The value for one level; configs give one value for all levels or a list with one per level. */
export function atLevel(value: number | readonly number[], level: number): number {
  return typeof value === 'number' ? value : value[level];
}
