import { parse } from 'yaml';
import { z } from 'zod';
import { problemsIn } from '../config';
import { CheckpointError } from '../errors';
import type { PartName } from './checkpoint';

/**
 * The config of Stable Diffusion's original code, often found beside a checkpoint, such as `v2-inference-v.yaml`. Only
 * what a checkpoint's shapes do not determine is read from it; names and defaults are those of ldm's `DDPM` and
 * `UNetModel`. (Its `image_size` is not the size of the pictures that the model was trained on.)
 */
const schema = z.object({
  model: z.object({
    params: z.object({
      parameterization: z.enum(['eps', 'v', 'x0']).default('eps'),
      beta_schedule: z.literal('linear').default('linear'),
      linear_start: z.number().default(1e-4),
      linear_end: z.number().default(2e-2),
      timesteps: z.int().positive().default(1000),
      scale_factor: z.number().positive().default(1),
      unet_config: z.object({
        params: z.object({
          model_channels: z.int().positive(),
          channel_mult: z.array(z.number().positive()).nonempty(),
          num_heads: z.int().default(-1),
          num_head_channels: z.int().default(-1),
        }),
      }),
      cond_stage_config: z
        .object({
          params: z.object({ layer: z.enum(['penultimate', 'last']).optional() }).optional(),
        })
        .optional(),
    }),
  }),
});

const PREDICTIONS = { eps: 'epsilon', v: 'v_prediction', x0: 'sample' } as const;

/**
 * @param file the config's name, for messages
 * @returns the configs by part, with diffusers' keys
 * @throws CheckpointError if it is not such a config, or asks for something not supported
 */
export function readOriginalYaml(text: string, file: string): Partial<Record<PartName, Record<string, unknown>>> {
  const yaml = parseYaml(text, file);
  const { success, data, error } = schema.safeParse(yaml);
  if (!success)
    throw new CheckpointError(
      `${file} is not a supported config of Stable Diffusion's original code.\n${problemsIn(error, yaml, file)}`,
    );
  const {
    unet_config: { params: unet },
    cond_stage_config: text_encoder,
    ...params
  } = data.model.params;
  if (text_encoder?.params?.layer === 'last')
    throw new CheckpointError(
      `${file}: model.params.cond_stage_config.params.layer is "last"; state the number of layers in text_encoder.num_hidden_layers of a config in JSON instead.`,
    );
  const channels = unet.channel_mult.map((factor) => factor * unet.model_channels);
  const heads = unet.num_head_channels > 0 ? channels.map((size) => size / unet.num_head_channels) : unet.num_heads;
  return {
    scheduler: {
      prediction_type: PREDICTIONS[params.parameterization],
      beta_start: params.linear_start,
      beta_end: params.linear_end,
      num_train_timesteps: params.timesteps,
    },
    vae: { scaling_factor: params.scale_factor },
    unet: { attention_head_dim: heads },
  };
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new CheckpointError(`${file} is not YAML: ${(error as Error).message}`);
  }
}
