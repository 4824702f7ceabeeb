import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CheckpointError } from '../../src/errors';
import { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from '../../src/model/config';
import type { NetworkName } from '../../src/weights/checkpoint';
import { inferConfig } from '../../src/weights/originalConfig';
import { type Family, familyOf, networkOf } from '../../src/weights/originalLayout';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { writeSafetensors } from '../../src/weights/safetensorsWriter';
import { bytesOf, type TensorSource } from '../../src/weights/source';

const FIXTURES = join(__dirname, '../fixtures/weights');
const NETWORKS: readonly NetworkName[] = ['unet', 'vae', 'text_encoder'];
const PARSE = { unet: parseUNetConfig, vae: parseVAEConfig, text_encoder: parseCLIPTextConfig };

/**
 * diffusers' converter leaves the VAE's attention as it names it, and the text encoder's prefix as transformers does.
 */
function belongingTo(network: NetworkName, names: Iterable<string>): string[] {
  return [...names].filter((name) => name.startsWith(`${network}.`)).map((name) => name.slice(network.length + 1));
}

describe.each(['sd1', 'sd2'] as const)('a file of the family %s', (family) => {
  const bytes = (name: string) => readFileSync(join(FIXTURES, `${name}.safetensors`));
  const opened = (name: string) => SafetensorsFile.open(bytesOf(bytes(name), `${name}.safetensors`));

  test('is told by its text encoder', async () => {
    expect(familyOf(await opened(`original_${family}`))).toBe(family);
  });

  test.each(NETWORKS)("gives the %s that diffusers' converter makes of it, number for number", async (network) => {
    const converted = await opened(`original_${family}.converted`);
    const ours = networkOf(await opened(`original_${family}`), network);
    const names = belongingTo(network, converted.tensors.keys());
    expect([...ours.tensors.keys()].sort()).toEqual(names.sort());
    const differing: string[] = [];
    for (const name of names) {
      const [a, b] = [await ours.read(name), await converted.read(`${network}.${name}`)];
      const sameShape =
        String(ours.tensors.get(name)?.shape) === String(converted.tensors.get(`${network}.${name}`)?.shape);
      if (!sameShape || a.length !== b.length || a.some((value, i) => value !== b[i])) differing.push(name);
    }
    expect(differing).toEqual([]);
  });

  test('is written again byte for byte as the reference wrote it', async () => {
    const file = await opened(`original_${family}`);
    const tensors = [...file.tensors].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape,
      data: () => file.readBytes(name),
    }));
    expect(Buffer.from(await writeSafetensors(tensors)).equals(bytes(`original_${family}`))).toBe(true);
  });
});

type Shapes = Record<string, number[]>;
const described = JSON.parse(gunzipSync(readFileSync(join(FIXTURES, 'original_shapes.json.gz'))).toString()) as Record<
  string,
  { family: Family; original: Shapes; converted: Shapes; configs: Record<NetworkName, Record<string, unknown>> }
>;

function sourceOf(shapes: Shapes): TensorSource {
  const tensors = new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'F32' as const, shape }]));
  return { name: 'model.safetensors', tensors, read: () => Promise.reject(new Error('only shapes')) };
}

describe.each(Object.entries(described))('architecture "%s"', (_, { family, original, converted, configs }) => {
  const source = sourceOf(original);

  test.each(NETWORKS)("the %s has the names and shapes of diffusers' converter", (network) => {
    const ours = Object.fromEntries([...networkOf(source, network).tensors].map(([name, { shape }]) => [name, shape]));
    expect(ours).toEqual(
      Object.fromEntries(
        belongingTo(network, Object.keys(converted)).map((name) => [name, converted[`${network}.${name}`]]),
      ),
    );
  });

  test.each(NETWORKS)('the config of the %s follows from its shapes', (network) => {
    const inferred = PARSE[network](inferConfig(network, networkOf(source, network), family));
    const { sample_size: _, ...stated } = PARSE[network](configs[network]) as Record<string, unknown>;
    expect(spelledOut(inferred, stated)).toMatchObject(spelledOut(stated, inferred));
  });
});

/** One number for all levels and a list of it say the same. */
function spelledOut(config: Record<string, unknown>, other: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      Array.isArray(other[key]) && !Array.isArray(value) ? other[key].map(() => value) : value,
    ]),
  );
}

describe('what the layout does not know', () => {
  const { original } = described['two levels'];

  test('keeps its name, to be listed as left over', () => {
    const source = sourceOf({
      ...original,
      'model.diffusion_model.label_emb.0.0.weight': [1],
      'first_stage_model.encoder.down.0.attn.0.q.weight': [1],
    });
    expect(networkOf(source, 'unet').tensors.has('model.diffusion_model.label_emb.0.0.weight')).toBe(true);
  });

  test('a text encoder of another number of layers is as long as its config says', () => {
    const source = sourceOf(described['one level'].original);
    const layers = (count?: number) =>
      [...networkOf(source, 'text_encoder', count).tensors.keys()].filter((name) => name.endsWith('layer_norm1.bias'))
        .length;
    expect([layers(), layers(2)]).toEqual([1, 2]);
  });

  test("channels that the family's rule for heads does not fit are an error that asks for a config", () => {
    const source = sourceOf({ ...described['one level'].original });
    const text = networkOf(source, 'text_encoder');
    const wide = {
      ...text,
      tensors: new Map([
        ...text.tensors,
        ['text_model.embeddings.token_embedding.weight', { dtype: 'F32' as const, shape: [10, 100] }],
      ]),
    };
    expect(() => inferConfig('text_encoder', wide, 'sd2')).toThrow(
      /100 channels.*Put the config of the network beside the file/,
    );
    expect(inferConfig('text_encoder', wide, 'sd2', { num_attention_heads: 5 })).toMatchObject({
      num_attention_heads: 5,
      hidden_size: 100,
    });
  });

  test('a network without the tensor that tells its size is an error that names it', () => {
    expect(() => inferConfig('unet', sourceOf({}), 'sd1')).toThrow(CheckpointError);
  });
});
