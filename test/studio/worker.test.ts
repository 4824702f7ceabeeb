import type { Page } from 'playwright-core';
import { watchDevice } from '../../studio/src/engine/device';
import { address, addressOf, finished, inChromium, openStudio, pixels, useStudio } from './browser';

const studio = useStudio();

/** The newest worker that computes; those of wasm's threads have blobs' addresses. */
const modelOf = (page: Page) =>
  page
    .workers()
    .filter((worker) => worker.url().startsWith(studio.url))
    .at(-1)!;

/** Ends the worker from within, as a browser that is short of memory does: the page is told nothing. */
const killWorker = (page: Page) => modelOf(page).evaluate(() => self.close());

async function takeSteps(page: Page, steps: number): Promise<void> {
  const fold = page.locator('.fold', { has: page.locator('summary', { hasText: 'The picture' }) });
  if ((await fold.getAttribute('open')) === null) await fold.locator('summary').click();
  await page.getByRole('slider', { name: 'Steps', exact: true }).fill(String(steps));
}

async function opened(recipe: Record<string, string>): Promise<Page> {
  const page = await studio.browser.newPage();
  await openStudio(page, studio.url + addressOf({ source: 'a cat', target: 'a dog', ...recipe }));
  return page;
}

inChromium('a worker that is killed in the middle of a run is told of, and the run is made again', async () => {
  const page = await opened({ steps: '2' });
  await takeSteps(page, 40);
  await page.locator('.status', { hasText: /Step [2-9] of 40/ }).waitFor();
  await killWorker(page);
  const alert = page.getByRole('alert').filter({ hasText: 'The worker ended' });
  await alert.waitFor();
  expect(await alert.textContent()).toMatch(/none of your work is lost/);
  await finished(page);
  expect(address(page).get('steps')).toBe('40');
  expect(await page.locator('.history li').count()).toBe(1);

  const before = await pixels(page, '.of-edit .picture');
  await takeSteps(page, 3);
  await finished(page);
  expect(await pixels(page, '.of-edit .picture')).not.toEqual(before);
  await page.close();
});

inChromium('a run that ends its worker twice is not tried a third time unasked', async () => {
  const page = await opened({ steps: '2' });
  await takeSteps(page, 40);
  for (let turn = 0; turn < 2; turn++) {
    await page.locator('.status', { hasText: /Step \d+ of 40/ }).waitFor();
    await killWorker(page);
    await page.locator('.loading').waitFor();
  }
  const again = page.getByRole('button', { name: 'Try again' });
  await again.waitFor();
  await page.locator('.loading').waitFor({ state: 'detached' });
  expect(await page.locator('.status').textContent()).not.toMatch(/of 40/);
  await again.click();
  await finished(page);
  await page.close();
});

inChromium('after a lost graphics card the page goes on without it, and says so', async () => {
  const page = await opened({ steps: '2' });
  const before = await pixels(page, '.of-edit .picture');
  const first = modelOf(page);
  await first.evaluate(() =>
    postMessage({ type: 'failed', from: 'device', message: 'The graphics card stopped: gone.' }),
  );
  await page.getByRole('alert').filter({ hasText: 'The graphics card stopped: gone.' }).waitFor();
  await page.locator('.loading').waitFor({ state: 'detached' });
  await finished(page);
  expect(modelOf(page)).not.toBe(first);
  expect(await pixels(page, '.of-edit .picture')).toEqual(before);
  expect(await page.getByRole('alert').count()).toBe(1);
  await page.close();
});

test("a WebGPU device's end is told of, unless the page itself ended it", async () => {
  const told: string[] = [];
  const lost = (reason: string, message: string) => ({ device: { lost: Promise.resolve({ reason, message }) } });
  watchDevice(lost('unknown', 'the driver was restarted'), (message) => told.push(message));
  watchDevice(lost('unknown', ''), (message) => told.push(message));
  watchDevice(lost('destroyed', 'by tfjs'), (message) => told.push(message));
  watchDevice({}, (message) => told.push(message));
  await new Promise(setImmediate);
  expect(told).toEqual([
    'The graphics card stopped: the driver was restarted. The page continues without it; none of your work is lost.',
    'The graphics card stopped: the browser gave no reason. The page continues without it; none of your work is lost.',
  ]);
});
