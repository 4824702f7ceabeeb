import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ConfigError } from '../../src/config';
import { AutoencoderKL } from '../../src/model/autoencoderKL';
import { CLIPTextModel } from '../../src/model/clipText';
import { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from '../../src/model/config';
import { UNet2DConditionModel } from '../../src/model/unet';
import { FIXTURES } from './variant';

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(FIXTURES, ...path), 'utf8'));
const hub: Record<string, { parameters: number; sha256: string }> = readJson('hub.json');

const networks: Record<string, (json: unknown) => UNet2DConditionModel | AutoencoderKL | CLIPTextModel> = {
  'unet.json': (json) => new UNet2DConditionModel(parseUNetConfig(json)),
  'vae.json': (json) => new AutoencoderKL(parseVAEConfig(json)),
  'text_encoder.json': (json) => new CLIPTextModel(parseCLIPTextConfig(json)),
};

test.each(Object.entries(hub))(
  '%s declares the parameters that diffusers and transformers declare',
  (file, expected) => {
    const [model, part] = file.split('/');
    const { parameters } = networks[part](readJson('hub', model, part));
    const lines = [...parameters.values()].map(({ name, shape }) => `${name} [${shape.join(', ')}]`).sort();
    const count = [...parameters.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    );
    expect(count).toBe(expected.parameters);
    expect(createHash('sha256').update(lines.join('\n')).digest('hex')).toBe(expected.sha256);
  },
);

test('Stable Diffusion has as many parameters as is known of it', () => {
  expect(hub['sd-1.4/unet.json'].parameters).toBe(859_520_964);
  expect(hub['sd-1.5/vae.json'].parameters).toBe(83_653_863);
  expect(hub['sd-1.5/text_encoder.json'].parameters).toBe(123_060_480);
  expect(hub['sd-2.1/unet.json'].parameters).toBe(865_910_724);
});

test('an empty config stands for the defaults of diffusers and transformers', () => {
  expect(parseUNetConfig({})).toMatchObject({
    in_channels: 4,
    out_channels: 4,
    block_out_channels: [320, 640, 1280, 1280],
    layers_per_block: 2,
    cross_attention_dim: 1280,
    attention_head_dim: 8,
    norm_num_groups: 32,
    norm_eps: 1e-5,
    use_linear_projection: false,
    flip_sin_to_cos: true,
    freq_shift: 0,
  });
  expect(parseVAEConfig({})).toMatchObject({
    block_out_channels: [64],
    layers_per_block: 1,
    latent_channels: 4,
    norm_num_groups: 32,
    scaling_factor: 0.18215,
    shift_factor: null,
    use_quant_conv: true,
    use_post_quant_conv: true,
    mid_block_add_attention: true,
  });
  expect(parseCLIPTextConfig({})).toMatchObject({
    vocab_size: 49408,
    hidden_size: 512,
    intermediate_size: 2048,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    max_position_embeddings: 77,
    hidden_act: 'quick_gelu',
    layer_norm_eps: 1e-5,
  });
});

describe('a config that asks for what is not there', () => {
  const unet = readJson('hub', 'sd-1.4', 'unet.json');
  const vae = readJson('hub', 'sd-1.4', 'vae.json');
  const text = readJson('hub', 'sd-1.4', 'text_encoder.json');

  test.each<[string, unknown, string]>([
    ['act_fn', 'gelu', 'dir/unet: act_fn is "gelu"; supported: "silu", "swish".'],
    ['class_embed_type', 'timestep', 'dir/unet: class_embed_type is "timestep"; supported: null.'],
    ['addition_embed_type', 'text_time', 'addition_embed_type is "text_time"; supported: null.'],
    ['num_attention_heads', 8, 'num_attention_heads is 8; supported: null.'],
    ['only_cross_attention', [true, true, true, false], 'only_cross_attention is [true,true,true,false]'],
    ['only_cross_attention', true, 'only_cross_attention is true'],
    [
      'down_block_types',
      ['AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D', 'DownBlock2D'],
      'down_block_types.0 is "AttnDownBlock2D"; supported: "CrossAttnDownBlock2D", "DownBlock2D".',
    ],
    [
      'up_block_types',
      ['UpBlock2D'],
      'up_block_types is ["UpBlock2D"]: expected 4 of them, one for each of block_out_channels',
    ],
    ['attention_head_dim', [8, 8], 'attention_head_dim is [8,8]: expected 4 of them'],
    ['attention_head_dim', 7, 'attention_head_dim is 7: 320 channels cannot be split into 7 heads'],
    ['norm_num_groups', 33, 'norm_num_groups is 33: 320 channels cannot be split'],
    ['norm_num_groups', null, 'norm_num_groups is null'],
    [
      'transformer_layers_per_block',
      [[1], [1], [1], [1]],
      'transformer_layers_per_block is [[1],[1],[1],[1]]: expected a positive integer, or a list of them',
    ],
    ['cross_attention_dim', '768', 'cross_attention_dim is "768"'],
    ['layers_per_block', 0, 'layers_per_block is 0'],
    ['sample_size', 1e9, 'dir/unet: sample_size is 1000000000'],
    ['block_out_channels', [1e12, 1, 1, 1], 'block_out_channels.0 is 1000000000000'],
    ['layers_per_block', 1e6, 'layers_per_block is 1000000'],
    ['transformer_layers_per_block', [1, 1, 1, 1e6], 'transformer_layers_per_block.3 is 1000000'],
    ['cross_attention_dim', 1e9, 'cross_attention_dim is 1000000000'],
    ['freq_shift', 160, 'freq_shift is 160'],
    ['norm_eps', 1e300, 'norm_eps is 1e+300'],
    ['sample_density', 0.5, 'dir/unet: sample_density is 0.5, and this key is not supported.'],
    ['_class_name', 'UNet2DModel', '_class_name is "UNet2DModel"; supported: "UNet2DConditionModel".'],
  ])('UNet, %s: %j', (key, value, message) => {
    expect(() => parseUNetConfig({ ...unet, [key]: value }, 'dir/unet')).toThrow(message);
  });

  test.each<[string, unknown, string]>([
    ['latents_mean', [0, 0, 0, 0], 'latents_mean is [0,0,0,0]; supported: null.'],
    [
      'down_block_types',
      ['AttnDownEncoderBlock2D'],
      'down_block_types.0 is "AttnDownEncoderBlock2D"; supported: "DownEncoderBlock2D".',
    ],
    ['up_block_types', ['UpDecoderBlock2D'], 'up_block_types is ["UpDecoderBlock2D"]: expected 4 of them'],
    ['scaling_factor', null, 'scaling_factor is null'],
    ['scaling_factor', 1e-300, 'scaling_factor is 1e-300'],
    ['latent_channels', 1e9, 'latent_channels is 1000000000'],
    ['norm_num_groups', 100, 'norm_num_groups is 100'],
  ])('VAE, %s: %j', (key, value, message) => {
    expect(() => parseVAEConfig({ ...vae, [key]: value })).toThrow(message);
  });

  test.each<[string, unknown, string]>([
    ['hidden_act', 'relu', 'text_encoder/config.json: hidden_act is "relu"; supported: "quick_gelu", "gelu".'],
    ['num_attention_heads', 7, 'num_attention_heads is 7: 768 features do not fall'],
    ['num_hidden_layers', 1e9, 'num_hidden_layers is 1000000000'],
    ['vocab_size', 2 ** 40, 'vocab_size is 1099511627776'],
    ['model_type', 't5', 'model_type is "t5"; supported: "clip_text_model".'],
    ['relative_attention', true, 'relative_attention is true, and this key is not supported.'],
  ])('text encoder, %s: %j', (key, value, message) => {
    expect(() => parseCLIPTextConfig({ ...text, [key]: value })).toThrow(message);
  });

  test('is told of everything that is wrong at once', () => {
    expect(() => parseUNetConfig({ ...unet, act_fn: 'mish', encoder_hid_dim: 4 }, 'u')).toThrow(
      new ConfigError('u: act_fn is "mish"; supported: "silu", "swish".\nu: encoder_hid_dim is 4; supported: null.'),
    );
  });

  test.each([null, 7, 'unet', []])('%j is no config', (json) => {
    expect(() => parseUNetConfig(json, 'dir/unet')).toThrow(ConfigError);
  });
});

test('notes and what is switched off are let pass', () => {
  expect(() =>
    parseUNetConfig({ _name_or_path: 'x', _diffusers_version: '9', some_future_switch: false, some_future_type: null }),
  ).not.toThrow();
});

test('whatever JSON a config is, it is accepted or refused with a ConfigError', () => {
  const schemas = [
    [parseUNetConfig, readJson('hub', 'sd-2.1', 'unet.json')],
    [parseVAEConfig, readJson('hub', 'sd-1.5', 'vae.json')],
    [parseCLIPTextConfig, readJson('hub', 'sd-2.1', 'text_encoder.json')],
  ] as const;
  for (const [parse, config] of schemas) {
    const changes = fc.dictionary(
      fc.oneof(fc.constantFrom(...Object.keys(config)), fc.string()),
      fc.oneof(fc.jsonValue(), fc.nat(64), fc.array(fc.nat(64))),
      { maxKeys: 3 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          changes.map((change) => ({ ...config, ...change })),
        ),
        (json) => {
          try {
            parse(json, 'dir/config.json');
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
            for (const line of (error as Error).message.split('\n')) expect(line).toMatch(/^dir\/config\.json: ./);
          }
        },
      ),
      { numRuns: 1000 },
    );
  }
});
