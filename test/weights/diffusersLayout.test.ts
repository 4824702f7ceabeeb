import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { CheckpointError } from '../../src/errors';
import { CONFIG_FILES, neededFiles, openDiffusersLayout } from '../../src/weights/diffusersLayout';
import { safePath } from '../../src/weights/fileTree';
import { counting, memoryTree } from './memoryTree';

const weights = (shapes: Record<string, readonly number[]> = { 'conv_in.bias': [2] }) => counting(shapes);
const unetOf = async (files: Record<string, string | Uint8Array | object>, variant?: string) =>
  (await openDiffusersLayout(memoryTree(files), { variant })).weights('unet');

describe('weights', () => {
  test.each([
    ['no variant', ['diffusion_pytorch_model.safetensors'], undefined],
    [
      'no variant, beside others',
      [
        'diffusion_pytorch_model.fp16.safetensors',
        'diffusion_pytorch_model.safetensors',
        'diffusion_pytorch_model.non_ema.safetensors',
      ],
      undefined,
    ],
    ['the only variant there is', ['diffusion_pytorch_model.fp16.safetensors'], undefined],
    [
      'the variant asked for',
      ['diffusion_pytorch_model.safetensors', 'diffusion_pytorch_model.fp16.safetensors'],
      'fp16',
    ],
  ])('are read from files of %s', async (_, names, variant) => {
    const wanted = variant
      ? `diffusion_pytorch_model.${variant}.safetensors`
      : names.includes('diffusion_pytorch_model.safetensors')
        ? 'diffusion_pytorch_model.safetensors'
        : names[0];
    const files = await Promise.all(
      names.map(
        async (name) => [`unet/${name}`, await weights({ [name === wanted ? 'right' : 'wrong']: [1] })] as const,
      ),
    );
    expect([...(await unetOf(Object.fromEntries(files), variant)).tensors.keys()]).toEqual(['right']);
  });

  test('of two variants, none is chosen unasked', async () => {
    const files = {
      'unet/diffusion_pytorch_model.fp16.safetensors': await weights(),
      'unet/diffusion_pytorch_model.bf16.safetensors': await weights(),
    };
    await expect(unetOf(files)).rejects.toThrow(
      /folder\/unet has no weights without a variant: name fp16 or bf16 as the variant\./,
    );
    await expect(unetOf(files, 'fp32')).rejects.toThrow(
      /no weights of the variant fp32: name fp16 or bf16 as the variant\./,
    );
  });

  test('that are only pickles are refused with the reason and the way out', async () => {
    const unet = unetOf({ 'unet/diffusion_pytorch_model.bin': new Uint8Array(4) });
    await expect(unet).rejects.toThrow(
      /folder\/unet has only diffusion_pytorch_model\.bin\. .*can run any code.*save_pretrained/,
    );
  });

  test('that are not there are named', async () => {
    await expect(unetOf({ 'unet/config.json': {} })).rejects.toThrow(
      'folder/unet has no diffusion_pytorch_model.safetensors.',
    );
  });

  test("of another pipeline than Stable Diffusion's are refused by its name", async () => {
    await expect(
      openDiffusersLayout(memoryTree({ 'model_index.json': { _class_name: 'StableDiffusionXLPipeline' } })),
    ).rejects.toThrow(
      /folder\/model_index\.json: _class_name is "StableDiffusionXLPipeline"; only StableDiffusionPipeline/,
    );
  });
});

describe('a folder that is no checkpoint is refused', () => {
  test.each([
    [
      'with what is missing',
      ['README.md'],
      /^folder is not a Stable Diffusion checkpoint in the layout of diffusers: it has no unet\/config\.json, vae\/config\.json/,
    ],
    [
      'with the single file that lies in it',
      ['v1-5.safetensors'],
      /Its v1-5\.safetensors may be a checkpoint in one file: give the path of that\.$/,
    ],
    ['with the reason if it has only pickles', ['v1-5.ckpt'], /^folder has only v1-5\.ckpt\. .*can run any code/],
  ])('%s', async (_, names, message) => {
    await expect(openDiffusersLayout(memoryTree(Object.fromEntries(names.map((name) => [name, '']))))).rejects.toThrow(
      message,
    );
  });
});

describe('shards', () => {
  const index = (weight_map: unknown) => ({
    'unet/diffusion_pytorch_model.safetensors.index.json': { metadata: { total_size: 12 }, weight_map },
  });
  const shards = async () => ({
    'unet/a.safetensors': await weights({ 'conv_in.bias': [2] }),
    'unet/b.safetensors': await weights({ 'conv_out.bias': [1] }),
  });

  test('are one source', async () => {
    const unet = await unetOf({
      ...index({ 'conv_in.bias': 'a.safetensors', 'conv_out.bias': 'b.safetensors' }),
      ...(await shards()),
    });
    expect([...unet.tensors.keys()]).toEqual(['conv_in.bias', 'conv_out.bias']);
    expect([...(await unet.read('conv_in.bias')), ...(await unet.read('conv_out.bias'))]).toEqual([0, 1, 0]);
  });

  test.each([
    'diffusion_pytorch_model.safetensors.index.fp16.json',
    'diffusion_pytorch_model.fp16.safetensors.index.json',
  ])('have variants too: %s', async (name) => {
    const unet = await unetOf(
      {
        [`unet/${name}`]: { weight_map: { 'conv_in.bias': 'a.fp16-00001-of-00001.safetensors' } },
        'unet/a.fp16-00001-of-00001.safetensors': await weights(),
      },
      'fp16',
    );
    expect([...unet.tensors.keys()]).toEqual(['conv_in.bias']);
  });

  test('that do not hold what the index says are an error with the names', async () => {
    const unet = unetOf({
      ...index({ 'conv_in.bias': 'b.safetensors', 'conv_mid.bias': 'a.safetensors', 'conv_out.bias': 'b.safetensors' }),
      ...(await shards()),
    });
    await expect(unet).rejects.toThrow(
      /not in the shard it names: conv_in\.bias, conv_mid\.bias\n.*does not name them: conv_in\.bias/,
    );
  });

  test('one of which is not there are an error with its name', async () => {
    await expect(unetOf({ ...index({ a: 'a.safetensors', c: 'c.safetensors' }), ...(await shards()) })).rejects.toThrow(
      /names the shard unet\/c\.safetensors, which is missing/,
    );
  });

  test.each([[undefined], [{ a: 1 }], [['a']]])(
    'of an index with the weight_map %j are refused',
    async (weight_map) => {
      await expect(unetOf(index(weight_map))).rejects.toThrow(/index\.json is not an index of shards/);
    },
  );

  test.each([
    '../secret.safetensors',
    '/etc/passwd',
    'C:\\x.safetensors',
    '..\\x',
    'a/../../b',
    'a//b',
    '.',
    '',
    'nul\u0000',
    'c:x',
  ])('never lead outside their folder: %j', async (path) => {
    const opened: string[] = [];
    const tree = memoryTree(index({ a: path }));
    const watched = {
      ...tree,
      open: (file: string) => {
        opened.push(file);
        return tree.open(file);
      },
    };
    const unet = (await openDiffusersLayout(watched)).weights('unet');
    await expect(unet).rejects.toThrow(/names the file .*not a plain path below its folder/);
    expect(opened.filter((file) => !file.endsWith('.json'))).toEqual([]);
  });
});

test('whatever a path looks like, a safe one stays below its folder on every system', () => {
  const part = fc.oneof(fc.constantFrom('..', '.', '', 'a', 'C:', '\\', '/', '\\\\host', '~', '%2e%2e'), fc.string());
  fc.assert(
    fc.property(fc.array(part, { minLength: 1 }), fc.constantFrom('/', '\\'), (parts, separator) => {
      const path = parts.join(separator);
      let safe: string;
      try {
        safe = safePath(path, 'an index');
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError);
        return;
      }
      expect(posix.resolve('/base', safe).startsWith('/base/')).toBe(true);
      expect(win32.resolve('C:\\base', safe).startsWith('C:\\base\\')).toBe(true);
    }),
  );
});

describe('configs', () => {
  test('come with the file they are from', async () => {
    const checkpoint = await openDiffusersLayout(
      memoryTree({ 'scheduler/scheduler_config.json': { _class_name: 'PNDMScheduler' } }),
    );
    expect(await checkpoint.config('scheduler')).toEqual({
      file: 'folder/scheduler/scheduler_config.json',
      json: { _class_name: 'PNDMScheduler' },
    });
  });

  test('that are not there, not JSON or not text are named', async () => {
    const checkpoint = await openDiffusersLayout(
      memoryTree({ 'vae/config.json': '{"a":', 'text_encoder/config.json': Uint8Array.of(0xff) }),
    );
    await expect(checkpoint.config('unet')).rejects.toThrow(/folder\/unet\/config\.json is missing/);
    await expect(checkpoint.config('vae')).rejects.toThrow(/folder\/vae\/config\.json is not JSON/);
    await expect(checkpoint.config('text_encoder')).rejects.toThrow(/folder\/text_encoder\/config\.json is not UTF-8/);
  });
});

describe('the tokenizer', () => {
  test('is vocab.json and merges.txt where there is no tokenizer.json', async () => {
    const checkpoint = await openDiffusersLayout(
      memoryTree({
        'tokenizer/vocab.json': { a: 0 },
        'tokenizer/merges.txt': '#version\n',
        'tokenizer/tokenizer_config.json': { pad_token: '!' },
      }),
    );
    expect(await checkpoint.tokenizer()).toEqual({
      folder: 'folder/tokenizer',
      tokenizer: undefined,
      vocab: { a: 0 },
      merges: '#version\n',
      config: { pad_token: '!' },
      specialTokens: undefined,
    });
  });

  test('without a vocabulary is an error that says which files are expected', async () => {
    const checkpoint = await openDiffusersLayout(memoryTree({ 'tokenizer/vocab.json': {} }));
    await expect(checkpoint.tokenizer()).rejects.toThrow(
      /folder\/tokenizer has neither tokenizer\.json nor vocab\.json and merges\.txt/,
    );
  });
});

test('p2p.json says what suits a folder, and is downloaded with it', async () => {
  const files = { 'model_index.json': {}, 'p2p.json': { guidance: 5 } };
  const checkpoint = await openDiffusersLayout(memoryTree(files));
  expect(await checkpoint.defaults()).toEqual({ file: 'folder/p2p.json', json: { guidance: 5 } });
  expect(await (await openDiffusersLayout(memoryTree({ 'model_index.json': {} }))).defaults()).toBeUndefined();

  const whole = [
    ...Object.values(CONFIG_FILES),
    'text_encoder/model.safetensors',
    'unet/diffusion_pytorch_model.safetensors',
    'vae/diffusion_pytorch_model.safetensors',
    'p2p.json',
  ];
  expect(neededFiles(whole, 'org/model').small).toContain('p2p.json');
});

describe('a checkpoint without a VAE', () => {
  const index = { _class_name: 'StableDiffusionPipeline', unet: ['diffusers', 'UNet2DConditionModel'] };
  const networksOf = async (files: Record<string, object>) => (await openDiffusersLayout(memoryTree(files))).networks;

  test.each([undefined, null, [null, null]])('is one whose index says of it: %j', async (vae) => {
    expect(await networksOf({ 'model_index.json': { ...index, vae } })).toEqual(['text_encoder', 'unet']);
  });

  test('is none that has one, or that has no index to say so', async () => {
    const all = ['text_encoder', 'unet', 'vae'];
    expect(await networksOf({ 'model_index.json': index, 'vae/config.json': {} })).toEqual(all);
    expect(await networksOf({ 'unet/config.json': {} })).toEqual(all);
  });

  test('is an error where its index names one', async () => {
    await expect(networksOf({ 'model_index.json': { ...index, vae: ['diffusers', 'AutoencoderKL'] } })).rejects.toThrow(
      'folder/vae is missing, which folder/model_index.json names',
    );
  });

  test('needs no files of one', () => {
    const files = ['unet/config.json', 'text_encoder/config.json', 'scheduler/scheduler_config.json'];
    const weights = ['text_encoder/model.safetensors', 'unet/diffusion_pytorch_model.safetensors'];
    expect(neededFiles(['model_index.json', ...files, ...weights], 'org/model')).toEqual({
      small: expect.arrayContaining(['model_index.json', ...files]),
      indexes: [],
      weights,
    });
    expect(() => neededFiles([...files, ...weights], 'org/model')).toThrow('it has no vae/config.json');
  });
});
