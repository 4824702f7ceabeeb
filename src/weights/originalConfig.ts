import { CheckpointError } from '../errors';
import type { NetworkName } from './checkpoint';
import { hintOn } from './kinds';
import type { Family } from './originalLayout';
import type { SafetensorsFile } from './safetensors';
import type { TensorSource } from './source';

/**
 * Infers the configs that a single file lacks, as diffusers would have written them: sizes and numbers of layers follow
 * from the shapes; the rest (heads, activation, prediction type, scaling factor) from the model family.
 */

/**
 * What the shapes of SD 1.x and 2.x checkpoints do not determine, from their repositories' configs; for SD 2.x, those
 * of 2.1.
 */
const FAMILIES = {
  sd1: { heads: () => 8, activation: 'quick_gelu', prediction: 'epsilon' },
  sd2: { heads: (channels: number) => headsOfSize64(channels), activation: 'gelu', prediction: 'v_prediction' },
} as const;

/** A config in JSON, to be validated like one from a file. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * @param source the network, under diffusers' names
 * @param stated the known part of the config, which takes precedence
 * @throws CheckpointError if a tensor that determines a size is missing, or the family's rule for heads does not apply
 *   and none are stated
 */
export function inferConfig(network: NetworkName, source: TensorSource, family: Family, stated: Config = {}): Config {
  const infer = { unet: inferUNet, vae: inferVAE, text_encoder: inferTextEncoder }[network];
  return { ...infer(new Shapes(source), family, stated), ...stated };
}

/**
 * The schedule that all SD 1.x and 2.x checkpoints were trained with, except for what is stated beside or in the file.
 */
export function inferSchedulerConfig(family: Family, file: SafetensorsFile, stated: Config = {}): Config {
  return {
    _class_name: 'DDIMScheduler',
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    set_alpha_to_one: false,
    steps_offset: 1,
    clip_sample: false,
    prediction_type: statedPrediction(file) ?? FAMILIES[family].prediction,
    ...(file.tensors.has(ZERO_SNR) ? { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' } : {}),
    ...stated,
  };
}

/** The size of the latents that a model was trained on, by its prediction type: v at 768x768, epsilon at 512x512. */
export function sampleSize(prediction: unknown): number {
  return prediction === 'v_prediction' ? 96 : 64;
}

/**
 * Tensors by which trainers mark that a model predicts v, and that its schedule ends in pure noise; their values do not
 * matter.
 */
const V_PREDICTION = 'v_pred';
const ZERO_SNR = 'ztsnr';

/** The prediction type that a file states itself, by a marker tensor or by the Stability AI Model Metadata Standard. */
export function statedPrediction({ tensors, metadata }: SafetensorsFile): string | undefined {
  if (tensors.has(V_PREDICTION)) return 'v_prediction';
  return { v: 'v_prediction', epsilon: 'epsilon' }[metadata.get('modelspec.prediction_type') ?? ''];
}

function inferUNet(shapes: Shapes, family: Family, stated: Config): Config {
  const down = shapes.numbered('down_blocks');
  const up = shapes.numbered('up_blocks');
  const channels = down.map((block) => shapes.size(`${block}.resnets.0.conv1.weight`, 0));
  const hasAttention = (block: string) => shapes.has(`${block}.attentions.0.norm.weight`);
  const attended = [...down.filter(hasAttention), 'mid_block'];
  const firstAttention = `${attended[0]}.attentions.0`;
  return {
    _class_name: 'UNet2DConditionModel',
    in_channels: shapes.size('conv_in.weight', 1),
    out_channels: shapes.size('conv_out.weight', 0),
    block_out_channels: channels,
    down_block_types: down.map((block) => (hasAttention(block) ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
    up_block_types: up.map((block) => (hasAttention(block) ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
    layers_per_block: oneOrAll(down.map((block) => shapes.numbered(`${block}.resnets`).length)),
    transformer_layers_per_block: oneOrAll(
      down.map(
        (block) =>
          shapes.numbered(`${hasAttention(block) ? block : attended[0]}.attentions.0.transformer_blocks`).length,
      ),
    ),
    cross_attention_dim: shapes.size(`${firstAttention}.transformer_blocks.0.attn2.to_k.weight`, 1),
    use_linear_projection: shapes.of(`${firstAttention}.proj_in.weight`).length === 2,
    attention_head_dim:
      stated.attention_head_dim ??
      oneOrAll(
        channels.map((size, level) => shapes.divided(size, FAMILIES[family].heads(size), `down_blocks.${level}`)),
      ),
  };
}

function inferVAE(shapes: Shapes): Config {
  const down = shapes.numbered('encoder.down_blocks');
  return {
    _class_name: 'AutoencoderKL',
    in_channels: shapes.size('encoder.conv_in.weight', 1),
    out_channels: shapes.size('decoder.conv_out.weight', 0),
    latent_channels: shapes.size('decoder.conv_in.weight', 1),
    block_out_channels: down.map((block) => shapes.size(`${block}.resnets.0.conv1.weight`, 0)),
    down_block_types: down.map(() => 'DownEncoderBlock2D'),
    up_block_types: shapes.numbered('decoder.up_blocks').map(() => 'UpDecoderBlock2D'),
    layers_per_block: shapes.numbered(`${down[0]}.resnets`).length,
    mid_block_add_attention: shapes.has('encoder.mid_block.attentions.0.to_q.weight'),
    use_quant_conv: shapes.has('quant_conv.weight'),
    use_post_quant_conv: shapes.has('post_quant_conv.weight'),
    scaling_factor: 0.18215,
  };
}

function inferTextEncoder(shapes: Shapes, family: Family, stated: Config): Config {
  const [vocabulary, width] = shapes.of('text_model.embeddings.token_embedding.weight');
  const layers = shapes.numbered('text_model.encoder.layers');
  return {
    model_type: 'clip_text_model',
    vocab_size: vocabulary,
    hidden_size: width,
    intermediate_size: shapes.size(`${layers[0]}.mlp.fc1.weight`, 0),
    num_hidden_layers: layers.length,
    num_attention_heads: stated.num_attention_heads ?? shapes.divided(width, headsOfSize64(width), 'text_model'),
    max_position_embeddings: shapes.size('text_model.embeddings.position_embedding.weight', 0),
    hidden_act: FAMILIES[family].activation,
  };
}

/** CLIP's rule for the number of heads, and Stable Diffusion 2's; a narrower network has one head. */
function headsOfSize64(channels: number): number {
  return Math.max(1, channels / 64);
}

function oneOrAll<T>(values: readonly T[]): T | readonly T[] {
  return values.every((value) => value === values[0]) ? values[0] : values;
}

/** Answers questions about the shapes of a network's tensors. */
class Shapes {
  constructor(private readonly source: TensorSource) {}

  has(name: string): boolean {
    return this.source.tensors.has(name);
  }

  of(name: string): readonly number[] {
    const tensor = this.source.tensors.get(name);
    if (!tensor) {
      const hint = hintOn([...this.source.tensors.keys()]);
      throw new CheckpointError(
        `${this.source.name} has no ${name} (in diffusers' names), without which the network's size cannot be determined.${hint ? ` ${hint}` : ''}`,
      );
    }
    return tensor.shape;
  }

  size(name: string, axis: number): number {
    return this.of(name)[axis];
  }

  /** The paths `<path>.0`, `<path>.1`, ... that have tensors. */
  numbered(path: string): string[] {
    const names = [...this.source.tensors.keys()].filter((name) => name.startsWith(`${path}.`));
    const numbers = new Set(names.map((name) => Number(name.slice(path.length + 1).split('.')[0])));
    return [...numbers]
      .filter(Number.isInteger)
      .sort((a, b) => a - b)
      .map((number) => `${path}.${number}`);
  }

  /** @throws CheckpointError if the channels cannot be divided into that many heads */
  divided(channels: number, heads: number, where: string): number {
    if (Number.isInteger(heads) && channels % heads === 0) return heads;
    throw new CheckpointError(
      `${this.source.name}: ${where} has ${channels} channels, which does not determine the number of attention heads. Put the config of the network beside the file.`,
    );
  }
}
