import { readFile } from 'node:fs/promises';
import { readPng } from '../../src/node';
import { useCommand } from '../node/cli/command';
import { addressOf, farthest, inChromium, MODEL, openStudio, pixels, useStudio } from './browser';

const studio = useStudio();
const { p2p, work } = useCommand();

const RECIPES: Record<string, Record<string, string>> = {
  'a word swapped': { target: 'a cat riding a car', keep: '0.7' },
  'a word added, another weighted': { target: 'a red cat riding a bicycle', weight: 'cat=2', self: '0.2' },
  'kept to where a word looks': { target: 'a cat riding a car', blend: 'bicycle:car', threshold: '0.5' },
};

for (const [name, recipe] of Object.entries(RECIPES)) {
  inChromium(`p2p edit --from makes the page's picture: ${name}`, async () => {
    const page = await studio.browser.newPage();
    const source = 'a cat riding a bicycle';
    await openStudio(page, studio.url + addressOf({ source, seed: '7', steps: '5', guidance: '3', ...recipe }));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Settings' }).click(),
    ]);
    await download.saveAs(work('edit.json'));
    const how = ['--model', MODEL, '--backend', 'wasm', '--threads', '1', '--quiet', '--no-compare'];
    const { code, stderr } = await p2p('edit', '--from', 'edit.json', ...how, '--out', 'edited', '--force');
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(await readFile(work('edit.json'), 'utf8'))).toMatchObject({ source, target: [recipe.target] });
    for (const [selector, file] of [
      ['.of-source .picture', 'source.png'],
      ['.of-edit .picture', 'edit-1.png'],
    ] as const) {
      const { data } = await readPng(work('edited', file));
      expect(farthest(await pixels(page, selector), data)).toBeLessThanOrEqual(1);
    }
    await page.close();
  });
}
