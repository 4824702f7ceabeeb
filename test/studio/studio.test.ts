import type { Browser, Page } from 'playwright-core';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { toPictures } from '../../src/image/picture';
import { loadPipeline } from '../../src/node';
import { useBackend } from '../backend';
import { buildPage, finished, inChromium, MODEL, openBrowser, openStudio, pixels, serveStudio } from './browser';

useBackend();

const PROMPTS = ['a cat riding a bicycle', 'a cat riding a car'];
const SETTINGS = { seed: 7, steps: 6, guidance: 3, sampler: 'dpm++' } as const;
const ADDRESS = `#${new URLSearchParams({ source: PROMPTS[0], target: PROMPTS[1], seed: '7', steps: '6', guidance: '3', sampler: 'dpm++' })}`;

let browser: Browser;
let page: Page;
let server: Awaited<ReturnType<typeof serveStudio>>;
const errors: string[] = [];
const elsewhere: string[] = [];

beforeAll(async () => {
  server = await serveStudio(buildPage());
  browser = await openBrowser();
  page = await browser.newPage();
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(server.url)) elsewhere.push(request.url());
  });
});
afterAll(async () => {
  await browser?.close();
  server?.close();
});

inChromium("the pictures of an address are Node's", async () => {
  await openStudio(page, server.url + ADDRESS);
  const pipe = await loadPipeline(MODEL, { backend: 'wasm' });
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS, shares: pipe.defaults.shares });
  const { images } = await pipe.generate(PROMPTS, { ...SETTINGS, controller });
  const [source, edit] = await toPictures(images);
  for (const [selector, { data }] of [
    ['.of-source .picture', source],
    ['.of-edit .picture', edit],
  ] as const) {
    const shown = await pixels(page, selector);
    const farthest = shown.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i])), 0);
    expect(shown).toHaveLength(data.length);
    expect(farthest).toBeLessThanOrEqual(1);
  }
  pipe.dispose();
});

inChromium('a word is swapped by its chip, and the picture and the address follow', async () => {
  const before = await pixels(page, '.of-edit .picture');
  await page.getByRole('button', { name: 'car, in place of bicycle' }).click();
  await page.getByLabel('Swap for').fill('house');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'house, in place of bicycle' }).waitFor();
  await finished(page);
  expect(await pixels(page, '.of-edit .picture')).not.toEqual(before);
  expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('target')).toBe('a cat riding a house');
});

inChromium('several threads compute, nothing goes wrong unseen, and no other host is asked', async () => {
  expect(await page.locator('.engine').textContent()).toMatch(/[2-8] threads/);
  expect(errors).toEqual([]);
  expect(elsewhere).toEqual([]);
});
