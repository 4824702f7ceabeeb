import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { addressOf, farthest, finished, inChromium, MODEL, openStudio, pixels, useStudio } from './browser';

const studio = useStudio();
const ADDRESS = addressOf({ source: 'a cat', target: 'a dog', steps: '2' });
const WEIGHTS = 'unet/diffusion_pytorch_model.safetensors';

let expected: number[];
beforeAll(async () => {
  const page = await studio.browser.newPage();
  await openStudio(page, studio.url + ADDRESS);
  expected = await pixels(page, '.of-edit .picture');
  await page.close();
});

/** The studio behind a line that fails: the first time that the UNet's weights are sent, it breaks off in the middle. */
async function failingOnce(): Promise<{ url: string; asked: (string | undefined)[]; close(): void }> {
  const asked: (string | undefined)[] = [];
  const server = createServer(async ({ url = '/', headers: { range } }, response) => {
    const answer = await fetch(new URL(url, studio.url), { headers: range === undefined ? {} : { range } });
    const body = Buffer.from(await answer.arrayBuffer());
    answer.headers.forEach((value, name) => response.setHeader(name, value));
    response.statusCode = answer.status;
    if (!url.endsWith(WEIGHTS)) return response.end(body);
    if (asked.push(range) > 1) return response.end(body);
    return response.write(body.subarray(0, body.length / 2), () => setTimeout(() => response.destroy(), 200));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    asked,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

inChromium('a download that broke off goes on where it ended, and is kept', async () => {
  const { size } = await stat(join(MODEL, WEIGHTS));
  const half = Math.floor(size / 2);
  const server = await failingOnce();
  const page = await (await studio.browser.newContext()).newPage();
  await page.goto(server.url + ADDRESS);
  const alert = page.getByRole('alert').filter({ hasText: `${WEIGHTS} broke off after ${half} of ${size} bytes` });
  await alert.waitFor();
  await alert.getByRole('button', { name: 'Try again' }).click();
  await finished(page);
  expect(server.asked).toEqual([undefined, `bytes=${half}-${size - 1}`]);
  expect(farthest(await pixels(page, '.of-edit .picture'), expected)).toBeLessThanOrEqual(1);

  await page.reload();
  await finished(page);
  expect(server.asked).toHaveLength(2);
  await page.context().close();
  server.close();
});

async function openFolder(page: Page, click: () => Promise<void>, name: string): Promise<void> {
  await openStudio(page, studio.url + ADDRESS);
  await page.getByTitle('Open another model').click();
  await click();
  await page.locator('.engine', { hasText: name }).waitFor();
  await finished(page);
  expect(farthest(await pixels(page, '.of-edit .picture'), expected)).toBeLessThanOrEqual(1);
  await page.close();
}

inChromium('a folder is picked from disk', async () => {
  const page = await studio.browser.newPage();
  // The browser's dialogue is out of a test's reach; what it would give is a folder of the page's own storage.
  await page.addInitScript(() => {
    Object.assign(window, {
      async showDirectoryPicker() {
        const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('of-my-disk', { create: true });
        const { files } = (await (await fetch('model/manifest.json')).json()) as { files: { path: string }[] };
        for (const { path } of files) {
          const names = path.split('/');
          let folder = root;
          for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
          const file = await folder.getFileHandle(names.at(-1)!, { create: true });
          await (await fetch(`model/${path}`)).body!.pipeTo(await file.createWritable());
        }
        return root;
      },
    });
  });
  await openFolder(page, () => page.getByRole('button', { name: 'A folder from disk …' }).click(), 'of-my-disk');
});

inChromium('where there is no such dialogue, a folder is uploaded', async () => {
  const place = await mkdtemp(join(tmpdir(), 'studio-'));
  await cp(MODEL, join(place, 'uploaded'), { recursive: true });
  const page = await studio.browser.newPage();
  await page.addInitScript(() => Reflect.deleteProperty(window, 'showDirectoryPicker'));
  await openFolder(
    page,
    () => page.getByLabel('A folder from disk …').setInputFiles(join(place, 'uploaded')),
    'uploaded',
  );
  await rm(place, { recursive: true });
});
