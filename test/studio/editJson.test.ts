import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { readPng } from '../../src/node';
import { useCommand } from '../node/cli/command';
import { address, addressOf, farthest, finished, inChromium, MODEL, openStudio, pixels, useStudio } from './browser';

const studio = useStudio();
const { p2p, work } = useCommand();

/** The left half, eight cells of 16x16 a byte. */
const LEFT = Buffer.from(Array.from({ length: 32 }, (_, i) => (i % 2 ? 0 : 255))).toString('base64url');

const RECIPES: Record<string, Record<string, string>> = {
  'a word swapped': { target: 'a cat riding a car', keep: '0.7' },
  'a word added, another weighted': { target: 'a red cat riding a bicycle', weight: 'cat=2', self: '0.2' },
  'kept to a mask': { target: 'a cat riding a car', mask: LEFT },
  'kept to where a word looks': { target: 'a cat riding a car', blend: 'bicycle:car', threshold: '0.5' },
};

const SOURCE = 'a cat riding a bicycle';
const SETTINGS = { source: SOURCE, seed: '7', steps: '5', guidance: '3' };

/** Downloads the settings, has the command make their pictures, and compares. @returns the settings */
async function compare(page: Page, most: number): Promise<Record<string, unknown>> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Settings' }).click(),
  ]);
  await download.saveAs(work('edit.json'));
  const how = ['--model', MODEL, '--backend', 'wasm', '--threads', '1', '--quiet', '--no-compare'];
  const { code, stderr } = await p2p('edit', '--from', 'edit.json', ...how, '--out', 'edited', '--force');
  expect([code, stderr]).toEqual([0, '']);
  for (const [selector, file] of [
    ['.of-source .picture', 'source.png'],
    ['.of-edit .picture', 'edit-1.png'],
  ] as const) {
    const { data } = await readPng(work('edited', file));
    expect(farthest(await pixels(page, selector), data)).toBeLessThanOrEqual(most);
  }
  return JSON.parse(await readFile(work('edit.json'), 'utf8'));
}

for (const [name, recipe] of Object.entries(RECIPES)) {
  inChromium(`p2p edit --from makes the page's picture: ${name}`, async () => {
    const page = await studio.browser.newPage();
    await openStudio(page, studio.url + addressOf({ ...SETTINGS, ...recipe }));
    expect(await compare(page, 1)).toMatchObject({ source: SOURCE, target: [recipe.target] });
    await page.close();
  });
}

inChromium(
  "p2p edit --from makes the page's picture: of one's own, kept to an ellipse that the keyboard placed",
  async () => {
    const page = await studio.browser.newPage();
    await openStudio(page, studio.url + addressOf({ ...SETTINGS, target: 'a cat riding a car' }));
    await page.getByLabel('Use your own').setInputFiles(join(__dirname, '../../weights/emoji-world/edits.png'));
    await page.getByRole('button', { name: 'Back to a generated picture' }).waitFor();
    await page.locator('summary', { hasText: 'Region' }).click();
    await page.getByRole('button', { name: 'Ellipse' }).press('Enter');
    await finished(page);
    const before = address(page).get('mask');
    await page.getByRole('slider', { name: 'Centre, from the left' }).press('Home');
    await page.getByRole('slider', { name: 'Height' }).press('End');
    await finished(page);
    const bytes = Buffer.from(address(page).get('mask')!, 'base64url');
    expect(address(page).get('mask')).not.toBe(before);
    // Rows of two bytes: of the left half some cells in every row but the outermost, of the right half none.
    expect([...bytes].filter((byte, i) => i % 2 === 1 && byte !== 0)).toEqual([]);
    expect([...bytes].slice(2, -2).filter((byte, i) => i % 2 === 0 && byte === 0)).toEqual([]);
    // The page's is from a recording, which rounds.
    const { image, mask, seed } = await compare(page, 2);
    expect([image, mask, seed]).toEqual([
      expect.stringMatching(/^data:image\/png/),
      expect.stringMatching(/^data:/),
      undefined,
    ]);
    await page.close();
  },
);
