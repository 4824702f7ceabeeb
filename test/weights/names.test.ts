import { CheckpointError } from '../../src/errors';
import type { NetworkName } from '../../src/weights/checkpoint';
import { canonicalNames } from '../../src/weights/names';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { bytesOf } from '../../src/weights/source';
import { counting } from './memoryTree';

async function named(network: NetworkName, shapes: Record<string, readonly number[]>) {
  return canonicalNames(network, await SafetensorsFile.open(bytesOf(await counting(shapes), 'old.safetensors')));
}
const shapesOf = ({ tensors }: Awaited<ReturnType<typeof named>>) =>
  Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));

test("the VAE's attention of before diffusers 0.13 has today's names", async () => {
  const path = 'encoder.mid_block.attentions.0';
  const vae = await named('vae', {
    [`${path}.query.weight`]: [2, 2],
    [`${path}.key.bias`]: [2],
    [`${path}.value.weight`]: [2, 2],
    [`${path}.proj_attn.weight`]: [2, 2],
    [`${path}.group_norm.bias`]: [2],
  });
  expect(shapesOf(vae)).toEqual({
    [`${path}.to_q.weight`]: [2, 2],
    [`${path}.to_k.bias`]: [2],
    [`${path}.to_v.weight`]: [2, 2],
    [`${path}.to_out.0.weight`]: [2, 2],
    [`${path}.group_norm.bias`]: [2],
  });
});

test.each([[[2, 3, 1, 1]], [[2, 3, 1]], [[2, 3]]])("the VAE's projections of shape %j are linear", async (shape) => {
  const vae = await named('vae', { 'decoder.mid_block.attentions.0.to_q.weight': shape });
  expect(shapesOf(vae)).toEqual({ 'decoder.mid_block.attentions.0.to_q.weight': [2, 3] });
  expect([...(await vae.read('decoder.mid_block.attentions.0.to_q.weight'))]).toEqual([0, 1, 2, 3, 4, 5]);
});

test('convolutions with a kernel of 1 elsewhere in the VAE stay convolutions', async () => {
  expect(shapesOf(await named('vae', { 'quant_conv.weight': [8, 8, 1, 1] }))).toEqual({
    'quant_conv.weight': [8, 8, 1, 1],
  });
});

test("CLIP's names begin with text_model, whether they are stored so or not", async () => {
  const name = 'text_model.final_layer_norm.bias';
  expect(shapesOf(await named('text_encoder', { 'final_layer_norm.bias': [2] }))).toEqual({ [name]: [2] });
  expect(shapesOf(await named('text_encoder', { [name]: [2] }))).toEqual({ [name]: [2] });
});

test("a text encoder's names that are not CLIP's stay as they are", async () => {
  const names = { 'shared.weight': [2], 'encoder.block.0.weight': [2], 'encoder.final_layer_norm.weight': [2] };
  expect(shapesOf(await named('text_encoder', names))).toEqual(names);
});

test.each(['text_model.embeddings.position_ids', 'embeddings.position_ids', 'text_projection.weight', 'logit_scale'])(
  '%s is not needed and not left over',
  async (key) => {
    expect(shapesOf(await named('text_encoder', { [key]: [1, 1] }))).toEqual({});
  },
);

test('one tensor under two of its names is an error that names both', async () => {
  const path = 'decoder.mid_block.attentions.0';
  const both = named('vae', { [`${path}.query.bias`]: [1], [`${path}.to_q.bias`]: [1] });
  await expect(both).rejects.toThrow(CheckpointError);
  await expect(both).rejects.toThrow(/old\.safetensors: .*query\.bias, .*to_q\.bias are both/);
});

test('a name that is not there is an error', async () => {
  await expect((await named('unet', {})).read('conv_in.bias')).rejects.toThrow(
    'old.safetensors has no tensor conv_in.bias.',
  );
});
