import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseManifest } from '../../../src/browser/manifest';
import { serve } from '../../../src/node/studio/serve';
import { studioSite, writeSite } from '../../../src/node/studio/site';

const MODEL = resolve(__dirname, '../../fixtures/checkpoint');
const UNET = 'model/unet/diffusion_pytorch_model.safetensors';
let folder: string;
let server: Awaited<ReturnType<typeof serve>>;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'studio-'));
  await writeFile(join(folder, 'index.html'), '<!doctype html>');
  server = await serve(await studioSite(MODEL, folder), { port: 0 });
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}/${path}`, { headers });

test('an address of another machine is refused by name', async () => {
  const serving = serve(await studioSite(MODEL, folder), { host: '203.0.113.1', port: 0 });
  await expect(serving).rejects.toThrow(RangeError);
  await expect(serving).rejects.toThrow('203.0.113.1 is not an address of this machine');
});

test('a model that is not there is refused by name', async () => {
  await expect(studioSite('nowhere', folder)).rejects.toThrow('There is no folder nowhere');
});

test('the page comes with the headers that threads need', async () => {
  const { headers, status } = await get('');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch('text/html');
  expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
  expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
});

test('the manifest lists what the model needs, and parts of its files can be had', async () => {
  const { files } = parseManifest(await (await get('model/manifest.json')).json(), 'manifest.json');
  const weights = await readFile(join(MODEL, 'unet/diffusion_pytorch_model.safetensors'));
  expect(files).toContainEqual(
    expect.objectContaining({ path: 'unet/diffusion_pytorch_model.safetensors', size: weights.length }),
  );
  const part = await get(UNET, { Range: 'bytes=10-19' });
  expect(part.status).toBe(206);
  expect(part.headers.get('content-range')).toBe(`bytes 10-19/${weights.length}`);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(weights.subarray(10, 20));
  expect((await get(UNET, { Range: `bytes=${weights.length}-` })).status).toBe(416);
});

test('nothing outside of its folders can be had', async () => {
  for (const path of ['model/../../attention.py', 'model/%2e%2e/%2e%2e/attention.py', 'model/..%2fattention.py', '%']) {
    // As it stands: fetch would resolve the dots itself.
    const answer = await new Promise<string>((done, fail) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (data) => {
        text += data.toString();
      });
      socket.on('close', () => done(text)).on('error', fail);
    });
    expect(answer).toMatch(/^HTTP\/1.1 404/);
  }
});

test('a folder for any web server has the page and the model', async () => {
  const site = await mkdtemp(join(tmpdir(), 'studio-site-'));
  await writeSite(await studioSite(MODEL, folder), site);
  const { files } = JSON.parse(await readFile(join(site, 'model/manifest.json'), 'utf8'));
  for (const { path, size } of files) expect((await readFile(join(site, 'model', path))).length).toBe(size);
  await expect(writeSite(await studioSite(MODEL, folder), site)).rejects.toThrow(/is not empty. Choose a new folder/);
  await rm(site, { recursive: true });
});

test('a page that was not built is said so', async () => {
  await expect(studioSite(MODEL, join(folder, 'nowhere'))).rejects.toThrow(/run: npm run build/);
});
