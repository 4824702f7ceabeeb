import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { openSingleFile } from '../../src/weights/singleFile';
import { bytesOf } from '../../src/weights/source';
import { counting, memoryTree } from './memoryTree';

const original = (family: string) =>
  readFileSync(join(__dirname, `../fixtures/weights/original_${family}.safetensors`));

async function open(bytes: Uint8Array, beside: Record<string, string | object> = {}) {
  return openSingleFile(
    await SafetensorsFile.open(bytesOf(bytes, 'models/thin.safetensors')),
    memoryTree(beside, 'models'),
  );
}

test('a file of SD 1.x has the configs of its family and its own sizes', async () => {
  const checkpoint = await open(original('sd1'));
  expect(checkpoint.layout).toBe('single-file');
  expect(await checkpoint.config('scheduler')).toMatchObject({
    file: 'models/thin.safetensors',
    json: { prediction_type: 'epsilon', beta_schedule: 'scaled_linear', steps_offset: 1 },
  });
  expect((await checkpoint.config('unet')).json).toMatchObject({
    block_out_channels: [8, 16],
    attention_head_dim: 8,
    use_linear_projection: false,
    sample_size: 64,
  });
  expect((await checkpoint.config('text_encoder')).json).toMatchObject({
    hidden_act: 'quick_gelu',
    num_hidden_layers: 2,
  });
});

test("a file of SD 2.x predicts v, counts its heads by their size, and leaves out the text encoder's last layer", async () => {
  const checkpoint = await open(original('sd2'));
  expect((await checkpoint.config('scheduler')).json).toMatchObject({ prediction_type: 'v_prediction' });
  expect((await checkpoint.config('unet')).json).toMatchObject({
    attention_head_dim: 1,
    use_linear_projection: true,
    sample_size: 96,
  });
  expect((await checkpoint.config('text_encoder')).json).toMatchObject({ hidden_act: 'gelu', num_hidden_layers: 2 });
});

test.each([
  ['epsilon', 'epsilon'],
  ['v', 'v_prediction'],
  ['unheard-of', 'v_prediction'],
])('a file whose metadata state the prediction type "%s" predicts %s', async (stated, expected) => {
  const shapes = { 'model.diffusion_model.a': [1], 'first_stage_model.a': [1], 'cond_stage_model.model.a': [1] };
  const checkpoint = await open(await counting(shapes, { 'modelspec.prediction_type': stated }));
  expect((await checkpoint.config('scheduler')).json).toMatchObject({ prediction_type: expected });
});

describe('a config beside the file wins', () => {
  test('as NAME.json with the parts by name', async () => {
    const checkpoint = await open(original('sd2'), {
      'thin.json': { scheduler: { prediction_type: 'epsilon' }, unet: { norm_num_groups: 4 } },
    });
    expect(await checkpoint.config('scheduler')).toMatchObject({
      file: 'models/thin.json',
      json: { prediction_type: 'epsilon', steps_offset: 1 },
    });
    expect((await checkpoint.config('unet')).json).toMatchObject({
      norm_num_groups: 4,
      block_out_channels: [8, 16],
      sample_size: 64,
    });
    expect((await checkpoint.config('vae')).file).toBe('models/thin.safetensors');
  });

  test("as NAME.yaml of Stable Diffusion's own code", async () => {
    const yaml = (unet: string, more = '') =>
      `model:\n  params:\n    linear_start: 0.00085\n    linear_end: 0.0120\n    timesteps: 1000\n    scale_factor: 0.13\n${more}    unet_config:\n      params:\n        model_channels: 64\n        channel_mult: [ 1, 2 ]\n        ${unet}\n`;
    const checkpoint = await open(original('sd2'), {
      'thin.yaml': yaml('num_head_channels: 32 # need to fix for flash-attn'),
    });
    expect(await checkpoint.config('scheduler')).toMatchObject({
      file: 'models/thin.yaml',
      json: { prediction_type: 'epsilon', beta_end: 0.012, beta_schedule: 'scaled_linear' },
    });
    expect((await checkpoint.config('unet')).json).toMatchObject({ attention_head_dim: [2, 4], sample_size: 64 });
    expect((await checkpoint.config('vae')).json).toMatchObject({ scaling_factor: 0.13 });
    const v = await open(original('sd1'), { 'thin.yaml': yaml('num_heads: 4', '    parameterization: "v"\n') });
    expect((await v.config('scheduler')).json).toMatchObject({ prediction_type: 'v_prediction' });
    expect((await v.config('unet')).json).toMatchObject({ attention_head_dim: 4, sample_size: 96 });
    await expect(
      open(original('sd1'), { 'thin.yaml': yaml('num_heads: 4', '    parameterization: w\n') }),
    ).rejects.toThrow(/models\/thin\.yaml [\s\S]*model\.params\.parameterization/);
    await expect(open(original('sd1'), { 'thin.yaml': 'a: [' })).rejects.toThrow(/models\/thin\.yaml is not YAML/);
    await expect(
      open(original('sd1'), {
        'thin.yaml': yaml('num_heads: 4', '    cond_stage_config: { params: { layer: last } }\n'),
      }),
    ).rejects.toThrow(/layer is "last"/);
  });

  test('as the files of a diffusers folder', async () => {
    const checkpoint = await open(original('sd1'), { 'vae/config.json': { scaling_factor: 0.5 } });
    expect(await checkpoint.config('vae')).toMatchObject({
      file: 'models/vae/config.json',
      json: { scaling_factor: 0.5, latent_channels: 4 },
    });
  });

  test("for the number of the text encoder's layers, which then are all there", async () => {
    const checkpoint = await open(original('sd2'), { 'text_encoder/config.json': { num_hidden_layers: 3 } });
    expect((await checkpoint.weights('text_encoder')).tensors.has('text_model.encoder.layers.2.mlp.fc1.bias')).toBe(
      true,
    );
  });

  test.each([
    [{ 'thin.json': [1] }, /models\/thin\.json is not an object/],
    [{ 'thin.json': '{' }, /models\/thin\.json is not JSON/],
    [{ 'unet/config.json': '3' }, /models\/unet\/config\.json: the config of unet is not an object/],
  ])('and is an error if it is none: %j', async (beside, message) => {
    await expect(open(original('sd1'), beside).then((checkpoint) => checkpoint.config('unet'))).rejects.toThrow(
      message,
    );
  });
});

describe('the tokenizer', () => {
  const vocabulary = (folder: string) => ({ [`${folder}vocab.json`]: { a: 0 }, [`${folder}merges.txt`]: '' });

  test.each([['tokenizer/'], ['']])('is found beside the file, in "%s"', async (folder) => {
    expect(await (await open(original('sd1'), vocabulary(folder))).tokenizer()).toMatchObject({ vocab: { a: 0 } });
  });

  test.each([
    ['sd1', '<|endoftext|>'],
    ['sd2', '!'],
  ])('of the family %s pads with %s, unless its config says otherwise', async (family, pad_token) => {
    expect(await (await open(original(family), vocabulary(''))).tokenizer()).toMatchObject({
      config: { pad_token, model_max_length: 77 },
    });
    const stated = { ...vocabulary(''), 'tokenizer_config.json': { pad_token: '?' } };
    expect(await (await open(original(family), stated)).tokenizer()).toMatchObject({ config: { pad_token: '?' } });
  });

  describe('that is not there', () => {
    const withTokens = async (tokens: number, merges?: () => Promise<string>) =>
      openSingleFile(
        await SafetensorsFile.open(
          bytesOf(
            await counting({
              'model.diffusion_model.a': [1],
              'first_stage_model.a': [1],
              'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight': [tokens, 1],
            }),
            'models/lone.safetensors',
          ),
        ),
        memoryTree({}, 'models'),
        merges,
      );

    test("is CLIP's own", async () => {
      const files = await (await withTokens(49408, async () => 'a b\n')).tokenizer();
      expect(files).toMatchObject({ vocab: { ab: 512, '<|endoftext|>': 514 }, config: { pad_token: '<|endoftext|>' } });
    });

    test.each([
      [49408, undefined, /openai\/clip-vit-large-patch14/],
      [600, async () => 'a b\n', /the text encoder has 600 tokens/],
    ])('is an error that says what to put where, if %d tokens are not to be had', async (tokens, merges, message) => {
      const asking = (await withTokens(tokens, merges)).tokenizer();
      await expect(asking).rejects.toThrow(
        /models\/lone\.safetensors has no tokenizer.*vocab\.json and merges\.txt into models\/tokenizer/,
      );
      await expect(asking).rejects.toThrow(message);
    });
  });
});

describe('a file is refused, with what it is or lacks, if it is', () => {
  test.each([
    [
      'of Stable Diffusion XL',
      { 'conditioner.embedders.0.a': [1], 'model.diffusion_model.a': [1], 'first_stage_model.a': [1] },
      /is a Stable Diffusion XL checkpoint/,
    ],
    [
      'of Stable Diffusion 3',
      { 'model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight': [1], 'first_stage_model.a': [1] },
      /is a Stable Diffusion 3 checkpoint/,
    ],
    ['of Flux', { 'double_blocks.0.img_attn.qkv.weight': [1] }, /is a Flux checkpoint/],
    ['a ControlNet', { 'control_model.input_blocks.0.0.weight': [1] }, /is a ControlNet/],
    [
      "a ControlNet of diffusers'",
      {
        'controlnet_cond_embedding.conv_in.weight': [1],
        'down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight': [1],
      },
      /is a ControlNet/,
    ],
    ['a LoRA', { 'lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight': [1] }, /is a LoRA/],
    [
      "a LoRA of diffusers'",
      { 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.lora_A.weight': [1] },
      /is a LoRA/,
    ],
    [
      "an old LoRA of diffusers'",
      { 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight': [1] },
      /is a LoRA/,
    ],
    ['an embedding', { emb_params: [2, 768] }, /is an embedding \(textual inversion\)/],
    ['a UNet alone', { 'model.diffusion_model.a': [1] }, /has no vae and no text_encoder/],
    [
      "diffusers' UNet alone",
      { 'down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight': [1] },
      /is a UNet alone/,
    ],
    ["diffusers' VAE alone", { 'decoder.mid_block.resnets.0.norm1.weight': [1] }, /is a VAE alone/],
    [
      "transformers' text encoder alone",
      { 'text_model.encoder.layers.0.mlp.fc1.weight': [1] },
      /is a text encoder alone/,
    ],
    ['something else', { 'visual.proj': [1] }, /has no tensors of a Stable Diffusion checkpoint/],
  ])('%s', async (_, shapes, message) => {
    await expect(open(await counting(shapes))).rejects.toThrow(message);
  });
});

test('NAME.p2p.json says what suits NAME.safetensors', async () => {
  const checkpoint = await open(original('sd1'), { 'thin.p2p.json': { guidance: 5 }, 'p2p.json': { guidance: 2 } });
  expect(await checkpoint.defaults()).toEqual({ file: 'models/thin.p2p.json', json: { guidance: 5 } });
  expect(await (await open(original('sd1'), { 'p2p.json': {} })).defaults()).toBeUndefined();
});

describe('what a file tells of itself', () => {
  const wide = (prefix: string, layers: number, width: number, more: Record<string, number[]> = {}) =>
    counting({
      'model.diffusion_model.a': [1],
      'first_stage_model.a': [1],
      [prefix === 'model'
        ? 'cond_stage_model.model.token_embedding.weight'
        : 'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight']: [1, width],
      ...Object.fromEntries(
        Array.from({ length: layers }, (_, layer) => [
          prefix === 'model'
            ? `cond_stage_model.model.transformer.resblocks.${layer}.ln_1.bias`
            : `cond_stage_model.transformer.text_model.encoder.layers.${layer}.layer_norm1.bias`,
          [1],
        ]),
      ),
      ...more,
    });
  const layersOf = async (bytes: Uint8Array) =>
    [...(await (await open(bytes)).weights('text_encoder')).tensors.keys()].filter((name) =>
      name.endsWith('layer_norm1.bias'),
    ).length;

  test.each([
    ['model', 24, 1024, 23],
    ['model', 23, 1024, 23],
    ['transformer', 24, 1024, 23],
    ['transformer', 23, 1024, 23],
    ['transformer', 12, 768, 12],
    ['transformer', 24, 768, 24],
  ])(
    'its text encoder under cond_stage_model.%s has %d layers of %d, of which %d are used',
    async (prefix, layers, width, used) => {
      expect(await layersOf(await wide(prefix, layers, width))).toBe(used);
    },
  );

  test.each([
    [1024, 'v_prediction', '!'],
    [768, 'epsilon', '<|endoftext|>'],
  ])("a text encoder of transformers' names and width %d is of its family", async (width, prediction, pad) => {
    const bytes = await wide('transformer', 1, width, {
      'cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight': [1, 1],
      'cond_stage_model.transformer.text_model.embeddings.position_embedding.weight': [77, width],
    });
    const checkpoint = await open(bytes, { 'vocab.json': {}, 'merges.txt': '' });
    expect((await checkpoint.config('scheduler')).json).toMatchObject({ prediction_type: prediction });
    expect((await checkpoint.config('text_encoder')).json).toMatchObject({
      hidden_act: width === 1024 ? 'gelu' : 'quick_gelu',
      num_attention_heads: width / 64,
    });
    expect((await checkpoint.tokenizer()).config).toMatchObject({ pad_token: pad });
  });

  test.each(['sd1', 'sd2'])('marks of v-prediction and of a schedule that ends in noise: %s', async (family) => {
    const shapes = Object.fromEntries(
      [...(await SafetensorsFile.open(bytesOf(original(family)))).tensors].map(([name, { shape }]) => [name, shape]),
    );
    const marked = await open(await counting({ ...shapes, v_pred: [0], ztsnr: [0] }));
    expect((await marked.config('scheduler')).json).toMatchObject({
      prediction_type: 'v_prediction',
      rescale_betas_zero_snr: true,
      timestep_spacing: 'trailing',
    });
    expect(await marked.notes()).toEqual([]);
    expect((await (await open(await counting(shapes))).config('scheduler')).json).not.toHaveProperty(
      'rescale_betas_zero_snr',
    );
  });

  test.each([
    [
      'sd1',
      /^thin does not say what its UNet predicts\. .*Stable Diffusion 1\.x model that predicts epsilon.*thin\.json/,
    ],
    [
      'sd2',
      /^thin does not say what its UNet predicts\. .*Stable Diffusion 2\.x model that predicts v.*thin\.json.*"epsilon"/,
    ],
  ])('what is assumed of it is there to be said: %s', async (family, note) => {
    expect(await (await open(original(family))).notes()).toEqual([expect.stringMatching(note)]);
    const stated = { 'thin.json': { scheduler: { prediction_type: 'epsilon' } } };
    expect(await (await open(original(family), stated)).notes()).toEqual([]);
  });

  test("a LoRA's tensors beside whole networks are left aside, and that is said", async () => {
    const shapes = Object.fromEntries(
      [...(await SafetensorsFile.open(bytesOf(original('sd1')))).tensors].map(([name, { shape }]) => [name, shape]),
    );
    const checkpoint = await open(await counting({ ...shapes, 'lora_unet_mid.lora_up.weight': [1] }), {
      'thin.json': { scheduler: { prediction_type: 'epsilon' } },
    });
    expect(await checkpoint.notes()).toEqual([
      'thin has 1 tensors of a LoRA beside its networks, which are left aside: lora_unet_mid.lora_up.weight',
    ]);
    const lacking = { 'model.diffusion_model.a': [1], 'lora_unet_mid.lora_up.weight': [1] };
    await expect(open(await counting(lacking))).rejects.toThrow(/has no vae and no text_encoder/);
  });

  test.each([
    ['q', 'k', 'v', 'proj_out', [1, 1]],
    ['query', 'key', 'value', 'proj_attn', []],
    ['to_q', 'to_k', 'to_v', 'to_out.0', []],
    ['to_q', 'to_k', 'to_v', 'to_out.0', [1, 1]],
  ])("the VAE's attention may be called %s, %s, %s, %s, with kernels of %j", async (q, k, v, out, kernel) => {
    const bytes = await counting({
      'model.diffusion_model.a': [1],
      'cond_stage_model.model.a': [1],
      ...Object.fromEntries(
        [q, k, v, out].map((name) => [`first_stage_model.decoder.mid.attn_1.${name}.weight`, [4, 4, ...kernel]]),
      ),
    });
    const { tensors } = await (await open(bytes)).weights('vae');
    expect(Object.fromEntries(tensors)).toEqual(
      Object.fromEntries(
        ['to_q', 'to_k', 'to_v', 'to_out.0'].map((name) => [
          `decoder.mid_block.attentions.0.${name}.weight`,
          { dtype: 'F32', shape: [4, 4] },
        ]),
      ),
    );
  });

  test('a UNet whose LoRA was not merged is an error that says so', async () => {
    const shapes = Object.fromEntries(
      [...(await SafetensorsFile.open(bytesOf(original('sd1')))).tensors].map(([name, { shape }]) => [
        name.replace('attn2.to_k.weight', 'attn2.to_k.base_layer.weight'),
        shape,
      ]),
    );
    const checkpoint = await open(await counting(shapes));
    await expect(checkpoint.config('unet')).rejects.toThrow(/a LoRA that was not merged/);
  });
});

test('a byte order mark before JSON is none of it', async () => {
  const checkpoint = await open(original('sd1'), {
    'thin.json': `\ufeff${JSON.stringify({ vae: { scaling_factor: 2 } })}`,
  });
  expect((await checkpoint.config('vae')).json).toMatchObject({ scaling_factor: 2 });
  await expect(open(original('sd1'), { 'thin.json': 'version https://git-lfs.github.com/spec/v1' })).rejects.toThrow(
    /models\/thin\.json cannot be read: it is a pointer of git-lfs/,
  );
});
