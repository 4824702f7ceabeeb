import type { Picture } from '../../src/image/picture';
import { useBackend } from '../backend';
import { onlyWhere } from '../onlyWhere';
import { ADDRESS, addressOf, buildPage, farthest, MODEL, picturesOfNode, serveStudio } from './browser';
import { type DrivenPage, FIREFOX, openFirefox, openWebKit, WEBKIT } from './webDriver';

useBackend();

let built: string;
let expected: readonly Picture[];
beforeAll(async () => {
  built = buildPage();
  expected = await picturesOfNode();
});

for (const { name, open, there, missing } of [
  { name: 'Firefox', open: openFirefox, there: FIREFOX, missing: 'there is no Firefox in /usr/bin' },
  { name: 'WebKit', open: openWebKit, there: WEBKIT, missing: 'WebKitWebDriver, its MiniBrowser or Xvfb is missing' },
]) {
  describe(name, () => {
    const inBrowser = onlyWhere(there !== undefined, missing);
    let server: Awaited<ReturnType<typeof serveStudio>>;
    let page: DrivenPage;
    beforeAll(async () => {
      server = await serveStudio(built, MODEL);
      page = await open();
    });
    afterAll(async () => {
      await page?.close();
      server?.close();
    });

    inBrowser('a browser that cannot start says why', async () => {
      // Node knows none of a browser's options.
      await expect(open(process.execPath)).rejects.toThrow(/ended with .*bad option: --(headless|automation)/s);
    });

    inBrowser("the pictures of an address are Node's", async () => {
      await page.goto(server.url + ADDRESS);
      await page.waitFor(isFinished);
      expect(farthest(await pixels(page, '.of-source .picture'), expected[0].data)).toBeLessThanOrEqual(1);
      expect(farthest(await pixels(page, '.of-edit .picture'), expected[1].data)).toBeLessThanOrEqual(1);
    });

    inBrowser('a word is swapped by its chip, and a shared address opens the same picture', async () => {
      await page.click('.chip.swapped .word');
      await page.type('.panel input', 'house');
      await page.click('.panel .primary');
      await page.waitFor((target) => location.hash.includes(target), 'riding+a+house');
      await page.waitFor(isFinished);
      const edit = await pixels(page, '.of-edit .picture');
      expect(edit).not.toEqual(Array.from(expected[1].data));

      const shared = await page.evaluate(() => location.href);
      await page.goto('about:blank');
      await page.goto(shared);
      await page.waitFor(isFinished);
      // The one was made from a recording, which rounds.
      expect(farthest(await pixels(page, '.of-edit .picture'), edit)).toBeLessThan(3);
    });

    inBrowser('the page comes again without its server', async () => {
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
      server.close();
      await page.goto('about:blank');
      await page.goto(server.url + ADDRESS);
      await page.waitFor(isFinished);
      expect(farthest(await pixels(page, '.of-edit .picture'), expected[1].data)).toBeLessThanOrEqual(1);
    });

    inBrowser("an error in a controller of one's own is shown at its line", async () => {
      const code = 'return {\n  wants: () => nobody,\n};';
      await page.goto('about:blank');
      await page.goto(server.url + addressOf({ source: 'a cat', code }));
      await page.waitFor(() => document.querySelector('.failure') !== null);
      const said = await page.evaluate(() => document.querySelector('.failure')!.textContent);
      expect(said).toMatch(/^Line 2: ReferenceError: .*nobody/);
    });
  });
}

const isFinished = (): boolean => document.querySelector('.stage')?.getAttribute('data-state') === 'finished';

/** A canvas's pixels, RGBA. */
function pixels(page: DrivenPage, selector: string): Promise<number[]> {
  return page.evaluate((found) => {
    const canvas = document.querySelector<HTMLCanvasElement>(found)!;
    return Array.from(canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data);
  }, selector);
}
