import {
  appendFile,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '../../src/errors';
import { type OpenOptions, openCheckpoint } from '../../src/node/checkpoint';
import { fileBytes } from '../../src/node/fileSource';
import { saveSafetensors } from '../../src/node/saveSafetensors';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { SafetensorsFile } from '../../src/weights/safetensors';

const DIFFUSERS = join(__dirname, '../fixtures/checkpoint');
const ORIGINAL = join(__dirname, '../fixtures/weights/original_sd1.safetensors');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a checkpoint is opened from', () => {
  test('a folder in the layout of diffusers', async () => {
    const checkpoint = await openCheckpoint(DIFFUSERS);
    expect(checkpoint).toMatchObject({ name: DIFFUSERS, layout: 'diffusers' });
    expect(await checkpoint.config('unet')).toMatchObject({
      file: join(DIFFUSERS, 'unet/config.json'),
      json: { _class_name: 'UNet2DConditionModel' },
    });
    const unet = await checkpoint.weights('unet');
    expect(unet.tensors.get('conv_in.weight')?.shape.slice(1)).toEqual([4, 3, 3]);
    expect(await unet.read('conv_in.bias')).toBeInstanceOf(Float32Array);
    expect((await checkpoint.tokenizer()).vocab).toHaveProperty('<|endoftext|>');
  });

  test("a folder whose files are links, as in the hub's cache", async () => {
    await mkdir(join(folder, 'blobs'));
    await copyFile(join(DIFFUSERS, 'vae/diffusion_pytorch_model.safetensors'), join(folder, 'blobs/a'));
    await mkdir(join(folder, 'snapshot/vae'), { recursive: true });
    await symlink('../../blobs/a', join(folder, 'snapshot/vae/diffusion_pytorch_model.safetensors'));
    expect((await (await openCheckpoint(join(folder, 'snapshot'))).weights('vae')).tensors.size).toBeGreaterThan(100);
  });

  test('either of them with LoRAs, which change its weights', async () => {
    const file = join(__dirname, '../fixtures/lora/kohya.safetensors');
    const query = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight';
    const read = async (options?: OpenOptions) =>
      (await (await openCheckpoint(DIFFUSERS, options)).weights('unet')).read(query);
    const [none, half, whole] = [
      await read(),
      await read({ loras: [{ file, scale: 0.5 }] }),
      await read({ loras: [{ file }] }),
    ];
    const changes = (to: Float32Array) => to.map((number, i) => number - none[i]);
    expect(Math.max(...changes(whole).map(Math.abs))).toBeGreaterThan(0.01);
    changes(half).forEach((change, i) => expect(2 * change).toBeCloseTo(changes(whole)[i], 5));
    const opening = openCheckpoint(DIFFUSERS, { loras: [{ file: join(folder, 'none.safetensors') }] });
    await expect(opening).rejects.toBeInstanceOf(CheckpointError);
    await expect(opening).rejects.toThrow(
      /^The LoRA cannot be read: There is no file .*none\.safetensors\. Check its name/,
    );
  });

  test('a single file, with what lies beside it', async () => {
    const file = join(folder, 'thin.safetensors');
    await copyFile(ORIGINAL, file);
    await writeFile(join(folder, 'thin.json'), '{"unet":{"norm_num_groups":4}}');
    await mkdir(join(folder, 'tokenizer'));
    await writeFile(join(folder, 'tokenizer/vocab.json'), '{"a":0}');
    await writeFile(join(folder, 'tokenizer/merges.txt'), '');
    const checkpoint = await openCheckpoint(file);
    expect(checkpoint).toMatchObject({ name: file, layout: 'single-file' });
    expect(await checkpoint.config('unet')).toMatchObject({
      file: join(folder, 'thin.json'),
      json: { norm_num_groups: 4 },
    });
    expect((await checkpoint.weights('vae')).tensors.get('encoder.mid_block.attentions.0.to_q.weight')?.shape).toEqual([
      8, 8,
    ]);
    expect((await checkpoint.tokenizer()).vocab).toEqual({ a: 0 });
  });
});

test("a single file with nothing beside it has CLIP's own tokenizer", async () => {
  const file = join(folder, 'lone.safetensors');
  const tensors = {
    'model.diffusion_model.a': [1],
    'first_stage_model.a': [1],
    'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight': [49408, 1],
  };
  await saveSafetensors(
    file,
    Object.entries(tensors).map(([name, shape]) => ({ name, shape, data: new Float32Array(shape[0]) })),
  );
  const tokenizer = new CLIPTokenizer(await (await openCheckpoint(file)).tokenizer());
  expect(tokenizer.tokenize('a photo of a cat').ids.slice(0, 8)).toEqual([
    49406, 320, 1125, 539, 320, 2368, 49407, 49407,
  ]);
});

describe('a checkpoint is refused that is', () => {
  test.each(['model.ckpt', 'model.pt', 'pytorch_model.bin', 'MODEL.PTH'])('a pickle: %s', async (name) => {
    await writeFile(join(folder, name), 'x');
    await expect(openCheckpoint(join(folder, name))).rejects.toThrow(
      /is not read\. PyTorch's pickle format can run any code when it is read.*safetensors files/,
    );
  });

  test('no safetensors file', async () => {
    await writeFile(join(folder, 'model.safetensors'), 'no header here');
    await expect(openCheckpoint(join(folder, 'model.safetensors'))).rejects.toThrow(
      /model\.safetensors is not a safetensors file: it is a text that begins "no header here"/,
    );
  });

  test('a single file of which a variant is asked', async () => {
    await expect(openCheckpoint(ORIGINAL, { variant: 'fp16' })).rejects.toThrow(/single file, which has no variants/);
  });

  test('nowhere', async () => {
    const opening = openCheckpoint(join(folder, 'nothing'));
    await expect(opening).rejects.toBeInstanceOf(CheckpointError);
    await expect(opening).rejects.toThrow(/nothing does not exist\. Give a folder/);
  });
});

describe('a file on disk', () => {
  const tensors = [{ name: 'w', shape: [2], data: Float32Array.of(1, 2) }];

  test('is read where it is asked, beyond 4 GiB too', async () => {
    const path = join(folder, 'large');
    await writeFile(path, 'begin');
    await truncate(path, 5 * 2 ** 30);
    await appendFile(path, 'end');
    const bytes = await fileBytes(path);
    expect(bytes.size).toBe(5 * 2 ** 30 + 3);
    expect(Buffer.from(await bytes.read(5 * 2 ** 30 - 1, bytes.size)).toString()).toBe('\0end');
  });

  test('that was changed after it was opened is an error', async () => {
    const path = join(folder, 'w.safetensors');
    await saveSafetensors(path, tensors);
    const file = await SafetensorsFile.open(await fileBytes(path));
    await saveSafetensors(path, [{ name: 'w', shape: [3], data: Float32Array.of(1, 2, 3) }]);
    await expect(file.read('w')).rejects.toThrow(/w\.safetensors changed while it was being read/);
  });

  test('is written whole, with metadata', async () => {
    const path = join(folder, 'w.safetensors');
    await saveSafetensors(path, [...tensors, { name: 'later', shape: [1], data: async () => Float32Array.of(3) }], {
      made: 'here',
    });
    const file = await SafetensorsFile.open(await fileBytes(path));
    expect([...(await file.read('w')), ...(await file.read('later'))]).toEqual([1, 2, 3]);
    expect(file.metadata.get('made')).toBe('here');
    expect(await readdir(folder)).toEqual(['w.safetensors']);
  });

  test('that cannot be written whole leaves what was there, and nothing beside it', async () => {
    const path = join(folder, 'w.safetensors');
    await saveSafetensors(path, tensors);
    const before = await readFile(path);
    await expect(
      saveSafetensors(path, [...tensors, { name: 'x', shape: [1], data: () => Promise.reject(new Error('no data')) }]),
    ).rejects.toThrow('no data');
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(folder)).toEqual(['w.safetensors']);
  });
});
