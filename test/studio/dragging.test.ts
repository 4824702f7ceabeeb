import type { Page } from 'playwright-core';
import { addressOf, farthest, finished, inChromium, openStudio, pixels, useStudio } from './browser';

const studio = useStudio();
const ADDRESS = addressOf({
  source: 'a cat riding a bicycle',
  target: 'a cat riding a car',
  steps: '40',
  guidance: '3',
});
const EDIT = '.of-edit .picture';

const state = (page: Page) => page.locator('.stage').getAttribute('data-state');

inChromium('drafts follow a slider that does not rest, and the picture comes when it is let go', async () => {
  const page = await studio.browser.newPage();
  await openStudio(page, studio.url + ADDRESS);
  const before = String(await pixels(page, EDIT));
  const { x, y, width, height } = (await page.getByRole('slider', { name: 'Keep the shape' }).boundingBox())!;
  const to = (share: number) => page.mouse.move(x + share * width, y + height / 2);

  await to(0.5);
  await page.mouse.down();
  const seen = new Set<string>([before]);
  for (let moves = 0; seen.size < 3 && moves < 2000; moves++) {
    await to(0.1 + 0.3 * Math.abs(Math.sin(moves / 20)));
    const shown = String(await pixels(page, EDIT));
    // A busy machine may let the slider rest for so long that its picture is made: that is no draft.
    if ((await state(page)) === 'working') seen.add(shown);
  }
  expect(seen.size).toBe(3);

  await to(0.2);
  await page.mouse.up();
  await finished(page);
  expect(new URLSearchParams(new URL(page.url()).hash).get('keep')).toMatch(/^0\.[12]/);
  const again = await studio.browser.newPage();
  await openStudio(again, page.url());
  // The one was made from a recording, which rounds.
  expect(farthest(await pixels(page, EDIT), await pixels(again, EDIT))).toBeLessThan(3);
  expect(await page.locator('.status').textContent()).toMatch(/^Made in \d+\.\d s$/);
  await page.close();
  await again.close();
});
