import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { CheckpointError } from '../../src/errors';
import { openCheckpoint } from '../../src/node/checkpoint';
import { fileBytes } from '../../src/node/fileSource';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { fingerprints } from '../../src/recording/fingerprint';
import type { Checkpoint, NetworkName } from '../../src/weights/checkpoint';
import { type Lora, withLoras } from '../../src/weights/lora';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { writeSafetensors } from '../../src/weights/safetensorsWriter';
import { bytesOf } from '../../src/weights/source';
import { useBackend } from '../backend';
import { largestOf, PARITY } from '../parity/comparison';

useBackend();

const LORAS = 'test/fixtures/lora';
const open = async (name: string) => SafetensorsFile.open(await fileBytes(`${LORAS}/${name}.safetensors`));
const cases = JSON.parse(readFileSync(`${LORAS}/cases.json`, 'utf8')) as { name: string; loras: [string, number][] }[];

let checkpoint: Checkpoint;
let expected: SafetensorsFile;
beforeAll(async () => {
  checkpoint = await openCheckpoint('test/fixtures/checkpoint');
  expected = await open('expected');
});

const tensor = async <T extends tf.Tensor>(key: string): Promise<T> =>
  tf.tensor(await expected.read(key), [...expected.tensors.get(key)!.shape]) as T;

const opened = (loras: readonly [string, number][]): Promise<Lora[]> =>
  Promise.all(loras.map(async ([name, scale]) => ({ file: await open(name), scale })));

test.each(cases)(
  'of $name, weights and what networks make of them are as diffusers merges them',
  async ({ name, loras }) => {
    const merged = await withLoras(checkpoint, await opened(loras));
    const start = tf.memory().numTensors;
    for (const key of expected.tensors.keys()) {
      const [, network, path] = new RegExp(`^${name}\\.(unet|text_encoder)\\.(.+)$`).exec(key) ?? [];
      if (!path) continue;
      const [ours, theirs] = [
        await (await merged.weights(network as NetworkName)).read(path),
        await expected.read(key),
      ];
      const largest = ours.reduce((most, number, i) => Math.max(most, Math.abs(number - theirs[i])), 0);
      expect([key, largest < 1e-6]).toEqual([key, true]);
    }
    const { unet, textEncoder, ...rest } = await StableDiffusionPipeline.load(merged);
    const [latents, context, ids] = [
      await tensor<tf.Tensor4D>('latents'),
      await tensor<tf.Tensor3D>('context'),
      await tensor<tf.Tensor2D>('ids'),
    ];
    const pairs: [tf.Tensor, tf.Tensor][] = [
      [unet.forward(latents, 501, context), await tensor(`${name}.prediction`)],
      [textEncoder.forward(await ids.array()), await tensor(`${name}.encoded`)],
    ];
    expect(await largestOf(...pairs)).toBeLessThan(PARITY);
    tf.dispose([latents, context, ids]);
    for (const network of [unet, textEncoder, rest.vae]) network.dispose();
    expect(tf.memory().numTensors).toBe(start);
  },
);

describe('of tensors by name', () => {
  /** A LoRA of ones: what it adds to every number of a weight is its rank times the factor. */
  const ones = async (shapes: Record<string, readonly number[]>, metadata?: Record<string, string>) => {
    const tensors = Object.entries(shapes).map(([name, shape]) => ({
      name,
      shape,
      data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(name.endsWith('.alpha') ? 3 : 1),
    }));
    return SafetensorsFile.open(bytesOf(await writeSafetensors(tensors, metadata), 'ones.safetensors'));
  };
  const added = async (file: SafetensorsFile, key: string, scale?: number): Promise<number> => {
    const network = key.startsWith('text_model') ? 'text_encoder' : 'unet';
    const merged = await (await withLoras(checkpoint, [{ file, scale }])).weights(network);
    const [after, before] = [await merged.read(key), await (await checkpoint.weights(network)).read(key)];
    const differences = after.map((number, i) => number - before[i]);
    for (const difference of differences) expect(difference).toBeCloseTo(differences[0], 5);
    return differences[0];
  };
  const QUERY = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q';
  const OUT = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0';
  const TEXT = 'text_model.encoder.layers.0.self_attn.q_proj';
  const two = (layer: string, down: string, up: string) => ({
    [`${layer}${down}`]: [2, 16],
    [`${layer}${up}`]: [16, 2],
  });

  test.each([
    [QUERY, two(`unet.${QUERY}`, '.lora_A.weight', '.lora_B.weight')],
    [OUT, two(`unet.${OUT}`, '.lora.down.weight', '.lora.up.weight')],
    [OUT, two(`lora_unet_${OUT.replaceAll('.', '_')}`, '.lora_down.weight', '.lora_up.weight')],
    [QUERY, two(QUERY, '.lora_A.weight', '.lora_B.weight')],
    [TEXT, two(`text_encoder.${TEXT}`, '.lora_A.weight', '.lora_B.weight')],
    [TEXT, two('text_encoder.encoder.layers.0.self_attn.q_proj', '.lora_A.weight', '.lora_B.weight')],
    [TEXT, two(`text_encoder.${TEXT}`, '.lora_linear_layer.down.weight', '.lora_linear_layer.up.weight')],
    [TEXT, two('lora_te1_text_model_encoder_layers_0_self_attn_q_proj', '.lora_down.weight', '.lora_up.weight')],
  ])('%s is changed by %j', async (layer, shapes) => {
    const file = await ones(shapes);
    expect(await added(file, `${layer}.weight`)).toBeCloseTo(2, 5);
    expect(await added(file, `${layer}.weight`, -0.5)).toBeCloseTo(-1, 5);
    const other = `${layer === TEXT ? 'text_model.encoder.layers.1.self_attn.q_proj' : 'mid_block.resnets.0.conv1'}.weight`;
    expect(await added(file, other)).toBe(0);
  });

  test('an alpha beside a layer, or in the metadata, is divided by the rank', async () => {
    const shapes = two(`unet.${QUERY}`, '.lora_A.weight', '.lora_B.weight');
    const stated = (metadata: object) =>
      ones(shapes, { lora_adapter_metadata: JSON.stringify({ 'text_encoder.lora_alpha': 100, ...metadata }) });
    expect(await added(await ones({ ...shapes, [`unet.${QUERY}.alpha`]: [] }), `${QUERY}.weight`)).toBeCloseTo(3, 5);
    const of = async (metadata: object) => added(await stated(metadata), `${QUERY}.weight`);
    expect(await of({})).toBeCloseTo(2, 5);
    expect(await of({ 'unet.lora_alpha': 5 })).toBeCloseTo(5, 5);
    expect(await of({ 'unet.lora_alpha': 5, 'unet.use_rslora': true })).toBeCloseTo((2 * 5) / Math.SQRT2, 5);
    expect(await of({ 'unet.lora_alpha': 5, 'unet.alpha_pattern': { to_q: 7 } })).toBeCloseTo(7, 5);
    expect(await of({ 'unet.lora_alpha': 5, 'unet.alpha_pattern': { o_q: 7, '^to_q': 8 } })).toBeCloseTo(5, 5);
    await expect(of({ 'unet.lora_alpha': 'five' })).rejects.toThrow(
      /ones\.safetensors: lora_adapter_metadata of unet:.*/,
    );
    await expect(of({ 'unet.lora_alpha': 5, 'unet.alpha_pattern': { 'to_(q|k)': 7 } })).rejects.toThrow(
      'only names of layers',
    );
    await expect(
      ones(shapes, { lora_adapter_metadata: '{' }).then((file) => added(file, `${QUERY}.weight`)),
    ).rejects.toThrow('ones.safetensors: lora_adapter_metadata in its metadata is not a JSON object');
  });

  test.each([
    [
      'a layer that there is not',
      { 'unet.nowhere.to_q.lora_A.weight': [2, 16] },
      /no layer for unet\.nowhere\.to_q\.lora_A\.weight\. Take a LoRA that was made for/,
    ],
    [
      'a bias',
      { ...two(`unet.${QUERY}`, '.lora_A.weight', '.lora_B.weight'), [`unet.${QUERY}.lora_B.bias`]: [16] },
      /no layer for unet\..*\.lora_B\.bias\./,
    ],
    ['a LoHa', { [`lora_unet_${QUERY.replaceAll('.', '_')}.hada_w1_a`]: [16, 2] }, /hada_w1_a\. LoHa, LoKr, DoRA/],
    ['nothing', {}, /no layer for any of its tensors: there are none/],
    [
      'one matrix alone',
      { [`unet.${QUERY}.lora_A.weight`]: [2, 16] },
      /does not have both matrices of down_blocks.*\.to_q/,
    ],
    [
      'other sizes',
      { [`unet.${QUERY}.lora_A.weight`]: [2, 12], [`unet.${QUERY}.lora_B.weight`]: [16, 2] },
      /lora_A\.weight \[2, 12\] and .*lora_B\.weight \[16, 2\] do not fit .*to_q\.weight \[16, 16\]/,
    ],
    [
      'other ranks',
      { [`unet.${QUERY}.lora_A.weight`]: [2, 16], [`unet.${QUERY}.lora_B.weight`]: [16, 3] },
      /do not fit/,
    ],
    [
      'one matrix twice',
      { ...two(`unet.${QUERY}`, '.lora_A.weight', '.lora_B.weight'), [`${QUERY}.lora_A.weight`]: [2, 16] },
      /are the same/,
    ],
  ] as [string, Record<string, number[]>, RegExp][])('a file with %s is refused', async (_, shapes, message) => {
    const merging = withLoras(checkpoint, [{ file: await ones(shapes) }]);
    await expect(merging).rejects.toBeInstanceOf(CheckpointError);
    await expect(merging).rejects.toThrow(/^ones\.safetensors/);
    await expect(merging).rejects.toThrow(message);
  });

  test('a scale that is no number is refused', async () => {
    const file = await ones(two(`unet.${QUERY}`, '.lora_A.weight', '.lora_B.weight'));
    await expect(withLoras(checkpoint, [{ file, scale: NaN }])).rejects.toThrow(
      'The scale of ones.safetensors is not a number',
    );
  });

  test('numbers that are not finite are an error that names the LoRA', async () => {
    const tensors = [2, 16].map((rows, i) => ({
      name: `unet.${QUERY}.lora_${'AB'[i]}.weight`,
      shape: [rows, 18 - rows],
      data: new Float32Array(rows * (18 - rows)).fill(NaN),
    }));
    const file = await SafetensorsFile.open(bytesOf(await writeSafetensors(tensors), 'broken.safetensors'));
    const before = tf.memory().numTensors;
    await expect(StableDiffusionPipeline.load(await withLoras(checkpoint, [{ file }]))).rejects.toThrow(
      /with broken\.safetensors: down_blocks\.0\..*to_q\.weight has 256 of 256 numbers that are not finite/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a model with a LoRA has other fingerprints, so that no recording of the one is taken for the other', async () => {
  const of = async (checkpoint: Checkpoint) => {
    const pipe = await StableDiffusionPipeline.load(checkpoint);
    const found = await fingerprints(pipe, 'ddim');
    pipe.dispose();
    return found;
  };
  const [plain, merged] = [await of(checkpoint), await of(await withLoras(checkpoint, await opened([['kohya', 1]])))];
  expect(merged.unet).not.toBe(plain.unet);
  expect(merged.text_encoder).not.toBe(plain.text_encoder);
  expect(merged.scheduler).toBe(plain.scheduler);
});
