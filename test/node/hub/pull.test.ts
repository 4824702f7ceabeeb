import { randomBytes } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '../../../src/errors';
import { openCheckpoint } from '../../../src/node/checkpoint';
import { HubError } from '../../../src/node/hub/error';
import { type PullOptions, type PullProgress, pull } from '../../../src/node/hub/pull';
import { counting } from '../../weights/memoryTree';
import { COMMIT, checksumOf, FakeHub, listed, NAME } from './fakeHub';

const TOKEN = 'hf_thisIsTheSecret';
const UNET = 'unet/diffusion_pytorch_model.safetensors';

let home: string;
let hub: FakeHub;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-'));
  hub = await FakeHub.start(await repository());
});

afterEach(async () => {
  await hub.stop();
  await rm(home, { recursive: true });
});

/** A repository as Stable Diffusion 1.4's is: more in it than is needed. */
async function repository(): Promise<Record<string, Buffer>> {
  const weights = async (of: string) => Buffer.from(await counting({ 'conv_in.weight': [5000] }, { of }));
  const json = (value: object) => Buffer.from(JSON.stringify(value));
  return {
    'README.md': Buffer.from('# model'),
    'model_index.json': json({ _class_name: 'StableDiffusionPipeline' }),
    'v1-4.ckpt': randomBytes(200),
    'safety_checker/model.safetensors': randomBytes(200),
    'safety_checker/config.json': json({}),
    'feature_extractor/preprocessor_config.json': json({}),
    'scheduler/scheduler_config.json': json({ _class_name: 'PNDMScheduler' }),
    'tokenizer/vocab.json': json({ a: 0 }),
    'tokenizer/merges.txt': Buffer.from(''),
    'tokenizer/tokenizer_config.json': json({ model_max_length: 77 }),
    'text_encoder/config.json': json({}),
    'text_encoder/model.safetensors': await weights('1'),
    'text_encoder/model.fp16.safetensors': await weights('2'),
    'text_encoder/pytorch_model.bin': randomBytes(200),
    'unet/config.json': json({ in_channels: 4 }),
    [UNET]: await weights('3'),
    'unet/diffusion_pytorch_model.fp16.safetensors': await weights('4'),
    'unet/diffusion_pytorch_model.bin': randomBytes(200),
    'vae/config.json': json({}),
    'vae/diffusion_pytorch_model.safetensors': await weights('5'),
    'vae/diffusion_pytorch_model.fp16.safetensors': await weights('6'),
  };
}

const pulled = (options: PullOptions = {}, variables: NodeJS.ProcessEnv = {}) =>
  pull(NAME, {
    pause: 1,
    environment: { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_TOKEN: TOKEN, ...variables },
    ...options,
  });
const model = () => join(home, 'hub/models--org--model');
const blobs = () => readdir(join(model(), 'blobs'));

/** Sends so many bytes of the file from where it is asked, as if all were to follow, and cuts the line. */
function breakOff(response: ServerResponse, bytes: Buffer, from: number, count: number): void {
  const range = from > 0 ? { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : undefined;
  response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': bytes.length - from, ...range });
  response.write(bytes.subarray(from, from + count), () => setTimeout(() => response.destroy(), 20));
}
const startOf = (range: string | undefined) => Number(/\d+/.exec(range ?? '')?.[0] ?? 0);

async function everyFile(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

describe('a pulled checkpoint', () => {
  test("has what is needed to run it and nothing else, in the hub's own layout", async () => {
    const folder = await pulled();
    expect(folder).toBe(join(model(), 'snapshots', COMMIT));
    expect(await everyFile(folder)).toEqual([
      'model_index.json',
      'scheduler/scheduler_config.json',
      'text_encoder/config.json',
      'text_encoder/model.safetensors',
      'tokenizer/merges.txt',
      'tokenizer/tokenizer_config.json',
      'tokenizer/vocab.json',
      'unet/config.json',
      UNET,
      'vae/config.json',
      'vae/diffusion_pytorch_model.safetensors',
    ]);
    expect(await readFile(join(model(), 'refs/main'), 'utf8')).toBe(COMMIT);
    expect(await readlink(join(folder, UNET))).toBe(`../../../blobs/${checksumOf(hub.files[UNET])}`);
    expect(await readFile(join(folder, UNET))).toEqual(hub.files[UNET]);
    expect((await lstat(join(folder, 'unet/config.json'))).isSymbolicLink()).toBe(true);
  });

  test('opens by its name', async () => {
    await pulled();
    const before = process.env.HF_HOME;
    process.env.HF_HOME = home;
    try {
      const checkpoint = await openCheckpoint(NAME);
      expect(checkpoint).toMatchObject({ name: NAME, layout: 'diffusers' });
      expect((await checkpoint.weights('unet')).tensors.get('conv_in.weight')?.shape).toEqual([5000]);
      await rm(join(model(), 'snapshots', COMMIT, 'vae/diffusion_pytorch_model.safetensors'));
      await expect(openCheckpoint(NAME)).rejects.toThrow(
        /^org\/model in the hub's cache\/vae has no .*run: p2p pull org\/model$/,
      );
      await expect(openCheckpoint('org/other')).rejects.toThrow(
        /org\/other is not a folder or file, and not in the hub's cache .*run: p2p pull org\/other/,
      );
    } finally {
      if (before === undefined) delete process.env.HF_HOME;
      else process.env.HF_HOME = before;
    }
  });

  test('is not downloaded again, and brought up to date by what changed', async () => {
    await pulled();
    hub.seen.length = 0;
    await pulled();
    expect(hub.asked).toEqual([]);
    hub.commit = 'd'.repeat(40);
    hub.files['unet/config.json'] = Buffer.from('{"in_channels":9}');
    const folder = await pulled();
    expect(hub.asked).toEqual(['unet/config.json']);
    expect(await readFile(join(folder, 'unet/config.json'), 'utf8')).toBe('{"in_channels":9}');
    expect(await readFile(join(model(), 'refs/main'), 'utf8')).toBe(hub.commit);
  });

  test('is of the variant asked for', async () => {
    const folder = await pulled({ variant: 'fp16' });
    expect((await everyFile(folder)).filter((file) => file.endsWith('.safetensors'))).toEqual([
      'text_encoder/model.fp16.safetensors',
      'unet/diffusion_pytorch_model.fp16.safetensors',
      'vae/diffusion_pytorch_model.fp16.safetensors',
    ]);
  });

  test('may be in shards, which its index names', async () => {
    const shard = hub.files[UNET];
    delete hub.files[UNET];
    delete hub.files['unet/diffusion_pytorch_model.fp16.safetensors'];
    hub.files['unet/diffusion_pytorch_model-00001-of-00001.safetensors'] = shard;
    hub.files[`${UNET}.index.json`] = Buffer.from(
      JSON.stringify({ weight_map: { 'conv_in.weight': 'diffusion_pytorch_model-00001-of-00001.safetensors' } }),
    );
    expect(await everyFile(await pulled())).toEqual(
      expect.arrayContaining([`${UNET}.index.json`, 'unet/diffusion_pytorch_model-00001-of-00001.safetensors']),
    );
  });

  test('is counted in bytes as it comes, up to all of them', async () => {
    const seen: PullProgress[] = [];
    const folder = await pulled({ onProgress: (progress) => seen.push(progress) });
    const sizes = await Promise.all(
      (await everyFile(folder)).map(async (file) => (await readFile(join(folder, file))).length),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(seen.at(-1)).toEqual({ file: expect.any(String), loaded: total, total });
    expect(seen.every(({ loaded }, i) => i === 0 || loaded >= seen[i - 1].loaded)).toBe(true);
  });
});

describe('a download', () => {
  test('that breaks off goes on where it ended', async () => {
    hub.onStorage = (request, response, file) => {
      const from = startOf(request.headers.range);
      if (file?.path !== UNET || from > 10_000) return false;
      breakOff(response, file.bytes, from, 6000);
      return true;
    };
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
    const ranges = hub.seen
      .filter(({ host, path }) => host === 'storage' && path.endsWith(UNET))
      .map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=6000-', 'bytes=12000-']);
  });

  test('that keeps breaking off is given up, and goes on from there in the next run', async () => {
    hub.onStorage = (request, response, file) => {
      if (file?.path !== UNET) return false;
      if (request.headers.range) response.destroy();
      else breakOff(response, file.bytes, 0, 6000);
      return true;
    };
    await expect(pulled()).rejects.toThrow(/cannot be reached|no more than 6000/);
    const blob = join(model(), 'blobs', checksumOf(hub.files[UNET]));
    expect(await readFile(`${blob}.incomplete`)).toEqual(hub.files[UNET].subarray(0, 6000));
    await expect(readFile(join(model(), 'refs/main'))).rejects.toThrow();
    hub.onStorage = () => false;
    hub.seen.length = 0;
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
    expect(hub.seen.find(({ host, path }) => host === 'storage' && path.endsWith(UNET))?.range).toBe('bytes=6000-');
    expect((await blobs()).filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  test.each([
    ['of other content', 300],
    ['longer than the file', 30_000],
  ])('does not go on from a beginning %s', async (_, length) => {
    await pulled();
    const blob = join(model(), 'blobs', checksumOf(hub.files[UNET]));
    await rm(blob);
    await writeFile(`${blob}.incomplete`, randomBytes(length));
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
  });

  test('from a server that knows no ranges starts over', async () => {
    let times = 0;
    hub.onStorage = (_, response, file) => {
      if (file?.path !== UNET) return false;
      if (times++ === 0) breakOff(response, file.bytes, 0, 6000);
      else response.writeHead(200, { 'Content-Length': file.bytes.length }).end(file.bytes);
      return true;
    };
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
    expect(times).toBe(2);
  });

  test('that runs twice at once ends well twice', async () => {
    const folders = await Promise.all([pulled(), pulled()]);
    for (const folder of folders) expect(await readFile(join(folder, UNET))).toEqual(hub.files[UNET]);
    expect(await everyFile(join(folders[0], 'unet'))).toEqual(['config.json', 'diffusion_pytorch_model.safetensors']);
  });

  test('that is stopped leaves no file under its name, and can go on', async () => {
    const controller = new AbortController();
    hub.onStorage = (_, response, file) => {
      if (file?.path !== UNET) return false;
      breakOff(response, file.bytes, 0, 6000);
      setTimeout(() => controller.abort(), 10);
      return true;
    };
    await expect(pulled({ signal: controller.signal, pause: 10_000 })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await blobs()).not.toContain(checksumOf(hub.files[UNET]));
    hub.onStorage = () => false;
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
  });
});

describe('a server that sends another file than the hub states is not believed:', () => {
  const unet = (answer: (response: ServerResponse, bytes: Buffer, from: number) => void) => {
    hub.onStorage = (request, response, file) => {
      if (file?.path !== UNET) return false;
      answer(response, file.bytes, startOf(request.headers.range));
      return true;
    };
  };
  const nothingIsLeft = async () => {
    expect((await blobs()).filter((name) => name.startsWith(checksumOf(hub.files[UNET])))).toEqual([]);
    expect(await everyFile(join(model(), 'snapshots', COMMIT))).not.toContain(UNET);
  };

  test('other bytes', async () => {
    unet((response, bytes) => response.end(Buffer.alloc(bytes.length)));
    await expect(pulled()).rejects.toThrow(
      /unet\/diffusion_pytorch_model\.safetensors arrived with the checksum .* and the hub states .*discarded/,
    );
    await nothingIsLeft();
  });

  test('another small file', async () => {
    hub.onHub = (_, response, file) => {
      if (file?.path !== 'unet/config.json') return false;
      response.end('{"in_channels":5}');
      return true;
    };
    await expect(pulled()).rejects.toThrow(/unet\/config\.json arrived with the checksum/);
  });

  test('more bytes', async () => {
    unet((response, bytes) => response.end(Buffer.concat([bytes, Buffer.alloc(1)])));
    await expect(pulled()).rejects.toThrow(/should have 20\d{3} bytes, but the server sends more/);
    expect(await everyFile(join(model(), 'snapshots', COMMIT))).not.toContain(UNET);
  });

  test('fewer bytes', async () => {
    unet((response, bytes, from) => (from > 0 ? response.writeHead(416).end() : response.end(bytes.subarray(0, 5000))));
    await expect(pulled()).rejects.toThrow(/sent only 5000 of the 20\d{3} bytes of unet\/.*, in 5 attempts/);
  });

  test('another part than was asked for', async () => {
    let times = 0;
    unet((response, bytes, from) => {
      if (times++ === 0) breakOff(response, bytes, 0, 6000);
      else if (from > 0)
        response.writeHead(206, { 'Content-Range': `bytes 0-${bytes.length - 1}/${bytes.length}` }).end(bytes);
      else response.end(bytes);
    });
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
  });

  test('a length that does not come', async () => {
    unet((response, bytes) => {
      response.writeHead(200, { 'Content-Length': bytes.length * 2 });
      response.write(bytes, () => response.destroy());
    });
    expect(await readFile(join(await pulled(), UNET))).toEqual(hub.files[UNET]);
  });
});

describe('an answer without success', () => {
  const answer = (status: number, headers: Record<string, string> = {}, times = Infinity) => {
    let count = 0;
    hub.onHub = (_, response) => {
      if (count++ >= times) return false;
      response
        .writeHead(status, { 'Content-Type': 'application/json', ...headers })
        .end(JSON.stringify({ error: `you sent ${TOKEN}` }));
      return true;
    };
  };

  test.each([
    [
      401,
      /denies access to org\/model at main \(401\): it is private or gated, or does not exist, and the token that was sent does not open it/,
    ],
    [403, /accept the model's terms/],
    [404, /has no org\/model at main \(404\)\. Check the name and the revision/],
    [429, /limits requests \(429\)/],
    [500, /answered 500/],
  ])('of %d is explained, without the token that it repeats', async (status, message) => {
    answer(status);
    const error = (await pulled().catch((reason: Error) => reason)) as Error;
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(message);
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(TOKEN);
  });

  test('of 401 without a token says where one is looked for', async () => {
    answer(401);
    await expect(pulled({}, { HF_TOKEN: '' })).rejects.toThrow(/no token was sent; HF_TOKEN/);
  });

  test.each([
    [429, { 'Retry-After': '0' }],
    [503, {}],
    [500, {}],
    [429, { 'Retry-After': new Date(Date.now() - 1000).toUTCString() }],
  ])('of %d is waited for and asked again', async (status, headers) => {
    answer(status, headers, 2);
    await expect(pulled()).resolves.toContain(COMMIT);
  });

  test('of 429 is waited for as long as it says', async () => {
    answer(429, { 'Retry-After': '1' }, 1);
    const start = performance.now();
    await pulled();
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  test('of 429 that asks for a whole hour is an error at once', async () => {
    answer(429, { 'Retry-After': '3600' });
    await expect(pulled()).rejects.toThrow(/429/);
    expect(hub.seen).toHaveLength(1);
  });

  test('while the files come names the file', async () => {
    hub.onHub = (_, response, file) => {
      if (file?.path !== UNET) return false;
      response.writeHead(403).end();
      return true;
    };
    await expect(pulled()).rejects.toThrow(
      /denies access to unet\/diffusion_pytorch_model\.safetensors of org\/model \(403\)/,
    );
  });

  test('that cannot be read is an error that names the endpoint', async () => {
    hub.onHub = (_, response) => {
      response.end('<html>');
      return true;
    };
    await expect(pulled()).rejects.toThrow(/sent an unreadable answer about org\/model at main\. Check HF_ENDPOINT/);
  });

  test('a hub that is not there is an error that says so', async () => {
    await expect(pulled({}, { HF_ENDPOINT: 'http://127.0.0.1:9' })).rejects.toThrow(
      /http:\/\/127\.0\.0\.1:9 cannot be reached.*HF_ENDPOINT/,
    );
  });
});

describe('the token', () => {
  test('is sent to the hub, and not to where the hub redirects', async () => {
    await pulled();
    const sent = (host: string) =>
      new Set(hub.seen.filter((seen) => seen.host === host).map(({ authorization }) => authorization));
    expect(sent('hub')).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(sent('storage')).toEqual(new Set([undefined]));
  });

  test('is not sent to another host that a list of files leads to', async () => {
    const other = await FakeHub.start({});
    hub.onHub = (request, response) => {
      if (!request.url?.includes('/tree/')) return false;
      response.setHeader('Link', `<${other.endpoint}/more>; rel="next"`);
      response.end('[]');
      return true;
    };
    await pulled().catch(() => undefined);
    expect(other.seen).toEqual([expect.objectContaining({ path: '/more', authorization: undefined })]);
    await other.stop();
  });

  test('is written to no log', async () => {
    const written: unknown[] = [];
    const spies = (['log', 'info', 'debug', 'warn', 'error'] as const).map((level) =>
      jest.spyOn(console, level).mockImplementation((...all) => {
        written.push(all);
      }),
    );
    await pulled();
    spies.forEach((spy) => spy.mockRestore());
    expect(written).toEqual([]);
  });
});

describe('names from the hub never lead out of the cache:', () => {
  const outside = async () => (await everyFile(home)).filter((file) => !file.startsWith('hub/models--org--model/'));

  test.each([
    '../../../evil',
    '/tmp/evil',
    'unet/../../../../evil.safetensors',
    'C:\\evil',
    'tokenizer/../../evil.json',
    'unet\\..\\..\\evil',
  ])('the file %s is not fetched', async (path) => {
    hub.listing = [listed(path, Buffer.from('evil'))];
    await pulled();
    expect(hub.asked.some((file) => file?.includes('evil'))).toBe(false);
    expect(await outside()).toEqual([]);
  });

  test('a shard above its index is refused', async () => {
    delete hub.files[UNET];
    delete hub.files['unet/diffusion_pytorch_model.fp16.safetensors'];
    hub.files['evil.safetensors'] = randomBytes(200);
    hub.files[`${UNET}.index.json`] = Buffer.from(JSON.stringify({ weight_map: { a: '../evil.safetensors' } }));
    await expect(pulled()).rejects.toThrow(/names the file "\.\.\/evil\.safetensors"/);
    expect(hub.asked).not.toContain('evil.safetensors');
  });

  test.each(['../../evil', '', 'main', 'C'.repeat(40)])('the commit "%s" is refused', async (commit) => {
    hub.commit = commit;
    await expect(pulled()).rejects.toThrow(/states the commit .* which is not a commit hash/);
    expect(await readdir(home)).toEqual([]);
  });

  test('a checksum that is none is no name of a file', async () => {
    const entry = listed(UNET, hub.files[UNET]);
    delete hub.files[UNET];
    delete hub.files['unet/diffusion_pytorch_model.fp16.safetensors'];
    hub.listing = [{ ...entry, lfs: { oid: '../../../evil', size: 5 } }];
    await expect(pulled()).rejects.toThrow(CheckpointError);
  });

  test.each(['model', 'a/b/c', '../x', 'a/..', 'a--b/c', 'org/model.', '/org/model', 'org\\model', ''])(
    '"%s" is no name of a model',
    async (name) => {
      await expect(pull(name, { environment: { HF_ENDPOINT: hub.endpoint, HF_HOME: home } })).rejects.toThrow(
        /is not the name of a model on the hub/,
      );
      expect(hub.seen).toEqual([]);
    },
  );

  test('nor does a revision', async () => {
    await expect(pulled({ revision: '../../evil' })).rejects.toThrow(
      /"..\/..\/evil" is not the name of a branch or tag, nor a commit/,
    );
  });
});

describe('a repository is refused before its weights are downloaded if', () => {
  const weightsAsked = () => hub.asked.filter((file) => file?.endsWith('.safetensors') || file?.endsWith('.bin'));

  test('it has only pickles', async () => {
    for (const name of Object.keys(hub.files))
      if (name.startsWith('unet/') && name.endsWith('.safetensors')) delete hub.files[name];
    await expect(pulled()).rejects.toThrow(
      /org\/model on the hub\/unet has only diffusion_pytorch_model\.bin\. .*can run any code/,
    );
    expect(hub.asked).toEqual([]);
  });

  test("it is another pipeline's", async () => {
    hub.files['model_index.json'] = Buffer.from('{"_class_name":"StableDiffusionXLPipeline"}');
    await expect(pulled()).rejects.toThrow(/StableDiffusionXLPipeline/);
    expect(weightsAsked()).toEqual([]);
  });

  test('it is a single file', async () => {
    for (const name of Object.keys(hub.files)) delete hub.files[name];
    hub.files['v1-5.safetensors'] = randomBytes(200);
    await expect(pulled()).rejects.toThrow(
      /org\/model on the hub is not a Stable Diffusion checkpoint in the layout of diffusers: it has no unet\/config\.json.* Its v1-5\.safetensors may be a checkpoint in one file/,
    );
  });

  test('the network is not to be used', async () => {
    await expect(pulled({}, { HF_HUB_OFFLINE: '1' })).rejects.toThrow(/HF_HUB_OFFLINE/);
    expect(hub.seen).toEqual([]);
  });
});

test('a cache that cannot be written to is named', async () => {
  const file = join(home, 'file');
  await writeFile(file, '');
  await expect(pulled({}, { HF_HUB_CACHE: file })).rejects.toThrow(
    /^The folder .*file.* cannot be made: it is a file, or in one\.$/,
  );
});
