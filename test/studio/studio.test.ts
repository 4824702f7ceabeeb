import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { encodePng, readPng } from '../../src/node';
import { editSettings } from '../../src/node/cli/settings';
import { useBackend } from '../backend';
import {
  ADDRESS,
  address,
  farthest,
  finished,
  inChromium,
  MODEL,
  openStudio,
  PROMPTS,
  picturesOfNode,
  pixels,
  serveStudio,
  useStudio,
} from './browser';

useBackend();
const studio = useStudio();

let page: Page;
const errors: string[] = [];
const elsewhere: string[] = [];

beforeAll(async () => {
  page = await studio.browser.newPage();
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(studio.url)) elsewhere.push(request.url());
  });
});

inChromium("the pictures of an address are Node's", async () => {
  await openStudio(page, studio.url + ADDRESS);
  const [source, edit] = await picturesOfNode();
  for (const [selector, { data }] of [
    ['.of-source .picture', source],
    ['.of-edit .picture', edit],
  ] as const) {
    expect(farthest(await pixels(page, selector), data)).toBeLessThanOrEqual(1);
  }
});

inChromium('a word is swapped by its chip, and the picture and the address follow', async () => {
  const before = await pixels(page, '.of-edit .picture');
  await page.getByRole('button', { name: 'bicycle becomes car' }).click();
  await page.getByLabel('Swap for').fill('house');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'bicycle becomes house' }).waitFor();
  await finished(page);
  expect(await pixels(page, '.of-edit .picture')).not.toEqual(before);
  expect(address(page).get('target')).toBe('a cat riding a house');
});

inChromium('a word that the model does not know is told of, until it is replaced', async () => {
  await page.getByRole('button', { name: 'bicycle becomes house' }).click();
  await page.getByLabel('Swap for').fill('zebra');
  await page.keyboard.press('Enter');
  const alert = page.getByRole('alert');
  await alert.filter({ hasText: '"zebra" is not among the words that this model was trained with' }).waitFor();
  await finished(page);
  expect(await alert.count()).toBe(1);
  await page.getByRole('button', { name: 'bicycle becomes zebra' }).click();
  await page.getByLabel('Swap for').fill('house');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'bicycle becomes house' }).waitFor();
  await finished(page);
  expect(await alert.count()).toBe(0);
});

inChromium('a weight is dragged, and the kind of the edit follows', async () => {
  await page.getByRole('slider', { name: 'How strongly cat counts' }).fill('2');
  await finished(page);
  expect(await page.locator('.kind').textContent()).toBe('word swap · re-weighted');
  expect(address(page).get('weight')).toBe('cat=2');
});

inChromium('a word under the pointer shows where it looks, and a place shows which words look at it', async () => {
  const plain = await pixels(page, '.of-source .picture');
  await page.getByRole('button', { name: 'cat', exact: true }).hover();
  expect(await pixels(page, '.of-source .picture')).not.toEqual(plain);
  await page.locator('.of-edit .frame').hover({ position: { x: 20, y: 20 } });
  const looks = await page
    .locator('.chip')
    .evaluateAll((chips) => chips.map((chip) => Number((chip as HTMLElement).style.getPropertyValue('--look'))));
  expect(looks).toHaveLength(5);
  expect(Math.max(...looks)).toBeGreaterThan(0);
  await page.locator('h1').hover();
  expect(await pixels(page, '.of-source .picture')).toEqual(plain);
});

inChromium('words are added and left out', async () => {
  await page.getByRole('button', { name: 'Add a word before cat' }).click();
  await page.getByLabel('Add', { exact: true }).fill('red');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'red added' }).waitFor();
  await page.getByRole('button', { name: 'riding', exact: true }).click();
  await page.getByRole('button', { name: 'Leave out' }).click();
  await finished(page);
  expect(address(page).get('target')).toBe('a red cat a house');
  expect(await page.locator('.kind').textContent()).toMatch(/word swap · word added · word left out/);
});

inChromium('an edit is kept to what is painted', async () => {
  await page.locator('summary', { hasText: 'Region' }).click();
  await page.getByRole('button', { name: 'Paint', exact: true }).click();
  const box = (await page.locator('.of-edit .frame').boundingBox())!;
  await page.mouse.move(box.x + box.width / 4, box.y + box.height / 4);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 3, { steps: 3 });
  await page.mouse.up();
  await finished(page);
  await page.getByRole('button', { name: 'Paint', exact: true }).click();
  const [source, edit] = [await pixels(page, '.of-source .picture'), await pixels(page, '.of-edit .picture')];
  const last = source.length - 4; // The corner farthest from the paint.
  expect(edit.slice(last)).toEqual(source.slice(last));
  expect(edit).not.toEqual(source);
  expect(address(page).has('mask')).toBe(true);
});

inChromium('a shared address opens the same picture', async () => {
  const other = await studio.browser.newPage();
  await openStudio(other, page.url());
  // The one was made from a recording, which rounds.
  expect(farthest(await pixels(other, '.of-edit .picture'), await pixels(page, '.of-edit .picture'))).toBeLessThan(3);
  expect(await other.locator('.chips').textContent()).toBe(await page.locator('.chips').textContent());
  await other.close();
});

inChromium('the settings that are downloaded are those of the command line', async () => {
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Settings' }).click();
  const settings = JSON.parse(await readFile(await (await download).path(), 'utf8'));
  expect(editSettings.parse(settings)).toMatchObject({
    source: PROMPTS[0],
    target: ['a red cat a house'],
    weight: { cat: 2 },
    seed: 7,
  });
  const figure = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Figure' }).click();
  const { width, height } = await readPng(await (await figure).path());
  expect(width).toBeGreaterThan(2 * 320);
  expect(height).toBeGreaterThan(320);
});

inChromium('what the browser refuses is told of, and can be tried again', async () => {
  const context = await studio.browser.newContext({ serviceWorkers: 'block' });
  const other = await context.newPage();
  await other.route('**/editor-*.js', (route) => route.abort());
  await openStudio(other, studio.url + ADDRESS);
  const alert = other.getByRole('alert');

  await other.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('Write permission denied.'));
  });
  await other.getByRole('button', { name: 'Share' }).click();
  await alert.filter({ hasText: 'did not let the page copy the link' }).waitFor();
  const link = other.getByLabel('The link');
  expect(await link.inputValue()).toBe(other.url());
  await link.focus();
  expect(await other.evaluate(() => String(getSelection()))).toBe(other.url());

  await other.evaluate(() => {
    const { toBlob } = HTMLCanvasElement.prototype;
    HTMLCanvasElement.prototype.toBlob = (callback) => {
      callback(null);
      HTMLCanvasElement.prototype.toBlob = toBlob;
    };
  });
  await other.getByRole('button', { name: 'Picture', exact: true }).click();
  await alert.filter({ hasText: 'edit.png could not be made: the browser gave no PNG of 64×64 pixels.' }).waitFor();
  const download = other.waitForEvent('download');
  await other.getByRole('button', { name: 'Try again' }).click();
  expect((await download).suggestedFilename()).toBe('edit.png');

  await other.locator('summary', { hasText: 'A controller of your own' }).click();
  await alert.filter({ hasText: 'The editor could not be loaded: ' }).waitFor();
  await other.unroute('**/editor-*.js');
  await other.getByRole('button', { name: 'Try again' }).click();
  await other.locator('.cm-content').waitFor();

  await other.evaluate(() => {
    Object.assign(window, { showDirectoryPicker: () => Promise.reject(new DOMException('Not from a frame.')) });
  });
  await other.getByTitle('Open another model').click();
  await other.getByRole('button', { name: 'A folder from disk …' }).click();
  await alert.filter({ hasText: 'The folder could not be opened: Not from a frame.' }).waitFor();
  await context.close();
});

inChromium('a wipe uncovers the source', async () => {
  await page.getByRole('button', { name: 'Wipe' }).click();
  await page.getByRole('slider', { name: 'How much of the source is shown' }).fill('30');
  expect(await page.locator('.over').evaluate((over) => getComputedStyle(over).clipPath)).toBe(
    'inset(0px 0px 0px 30%)',
  );
  await page.getByRole('button', { name: 'Side by side' }).click();
});

inChromium('five strengths of the edit are shown, and each can be taken', async () => {
  await page.getByRole('button', { name: 'Show five strengths' }).click();
  const shown = (percent: number): string => `canvas[aria-label="The edit at ${percent} percent"]`;
  await page.waitForFunction(
    ([last, picture]) => {
      const [a, b] = [last, picture].map((selector) => document.querySelector<HTMLCanvasElement>(selector));
      return a?.width === b?.width;
    },
    [shown(100), '.of-edit .picture'],
  );
  const strengths = await Promise.all([0, 25, 50, 75, 100].map((percent) => pixels(page, shown(percent))));
  expect(new Set(strengths.map(String)).size).toBe(5);
  // Drafts have as many steps as this edit.
  expect(farthest(strengths[2], await pixels(page, '.of-edit .picture'))).toBeLessThan(3);
  await page.getByRole('button', { name: 'Keep the shape: 25 percent' }).click();
  await finished(page);
  expect(address(page).get('keep')).toBe('0.25');
  expect(farthest(strengths[1], await pixels(page, '.of-edit .picture'))).toBeLessThan(3);
});

/** The target of the edit that was gone back to. */
let target: string;

inChromium('edits before this one are kept, and come back with their settings', async () => {
  const past = page.locator('.history button').last();
  target = (await past.locator('span').textContent())!;
  expect(target).not.toBe(address(page).get('target'));
  await past.click();
  await finished(page);
  expect(address(page).get('target')).toBe(target);
});

async function write(code: string): Promise<void> {
  await page.locator('.cm-content').click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(code);
  await page.getByRole('button', { name: 'Run with the edit' }).click();
}

inChromium("a controller of one's own runs, and its errors are shown at their line", async () => {
  const before = await pixels(page, '.of-edit .picture');
  await page.locator('summary', { hasText: 'A controller of your own' }).click();
  await page.locator('.cm-content').waitFor();
  await page.getByRole('button', { name: 'Run with the edit' }).click();
  await finished(page);
  expect(await pixels(page, '.of-edit .picture')).not.toEqual(before);

  await write('return {\n  wants: () => nobody,\n};');
  await page.locator('.failure').waitFor();
  expect(await page.locator('.failure').textContent()).toBe('Line 2: ReferenceError: nobody is not defined');
  await page.locator('.cm-lintRange-error').waitFor();

  await write('return {\n  wants: () => [,\n');
  await page.locator('.failure', { hasText: 'This is not valid JavaScript' }).waitFor();
});

inChromium('a controller without an end is stopped, and nothing is lost', async () => {
  await write('while (true);');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('alert').filter({ hasText: 'was restarted' }).waitFor();
  await finished(page);
  expect(await page.locator('.cm-content').textContent()).toBe('while (true);');
  expect(address(page).get('target')).toBe(target);
});

inChromium('a file that is no model is refused, and the model before it comes back', async () => {
  await page.getByTitle('Open another model').click();
  const file = { name: 'broken.safetensors', mimeType: '', buffer: Buffer.from('not a checkpoint') };
  await page.locator('dialog input[accept=".safetensors"]').setInputFiles(file);
  await page.getByRole('alert').filter({ hasText: 'broken.safetensors' }).waitFor();
  await page.waitForFunction(() => !document.querySelector('.loading'));
  await finished(page);
});

for (const colorScheme of ['light', 'dark'] as const) {
  inChromium(`nothing stands in the way of who does not see or point, ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(await readFile(require.resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run(),
    );
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
  });
}

inChromium('the page comes again without a network', async () => {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await page.context().setOffline(true);
  await page.reload();
  await finished(page);
  await page.context().setOffline(false);
});

inChromium("a picture of one's own takes the source's place", async () => {
  const generated = await pixels(page, '.of-source .picture');
  const own = join(__dirname, '../../weights/emoji-world/edits.png');
  await page.getByLabel('Use your own').setInputFiles(own);
  await page.getByRole('button', { name: 'Back to a generated picture' }).waitFor();
  await finished(page);
  expect(await pixels(page, '.of-source .picture')).not.toEqual(generated);
  await page.getByRole('button', { name: 'Back to a generated picture' }).click();
  await finished(page);
  expect(farthest(await pixels(page, '.of-source .picture'), generated)).toBeLessThan(3);
});

inChromium('a picture that is enlarged or cropped a lot gives a note, until another takes its place', async () => {
  const other = await studio.browser.newPage();
  await openStudio(other, studio.url + ADDRESS);
  const alert = other.getByRole('alert');
  const open = async (name: string, width: number, height: number): Promise<void> => {
    const buffer = encodePng({ width, height, data: new Uint8ClampedArray(4 * width * height).fill(255) });
    await other.getByLabel('Use your own').setInputFiles({ name, mimeType: 'image/png', buffer });
    await other.getByRole('button', { name: 'Back to a generated picture' }).waitFor();
    await finished(other);
  };
  const back = async (): Promise<void> => {
    await other.getByRole('button', { name: 'Back to a generated picture' }).click();
    await finished(other);
  };
  await open('dot.png', 8, 8);
  expect(await alert.locator('span').first().textContent()).toBe(
    'dot.png is enlarged from 8x8 to 64x64 pixels, and blurred: a larger picture shows more.',
  );
  await back();
  expect(await alert.count()).toBe(0);
  await open('line.png', 200, 60);
  expect(await alert.locator('span').first().textContent()).toBe(
    "line.png is 200x60, and the model's picture 64x64: only its middle, 60x60, is used. Crop it first to choose which part.",
  );
  await back();
  await open('plain.png', 64, 64);
  expect(await alert.count()).toBe(0);
  await other.close();
});

/** Lets a file fall on a part of the page. @returns whether the page takes it, or leaves it to the browser */
async function drop(selector: string, name: string, bytes: Buffer): Promise<boolean> {
  return page.evaluate(
    ([on, named, base64]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], named));
      const events = ['dragover', 'drop'].map(
        (type) => new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }),
      );
      for (const event of events) document.querySelector(on)!.dispatchEvent(event);
      return events.every((event) => event.defaultPrevented);
    },
    [selector, name, bytes.toString('base64')] as const,
  );
}

inChromium('a picture is dropped, on the pictures or beside them', async () => {
  const before = await pixels(page, '.of-source .picture');
  const own = await readFile(join(__dirname, '../../weights/emoji-world/edits.png'));
  for (const place of ['.stage', 'h1']) {
    expect(await drop(place, `on ${place}.png`, own)).toBe(true);
    await page.getByRole('button', { name: 'Back to a generated picture' }).waitFor();
    await finished(page);
    expect(await pixels(page, '.of-source .picture')).not.toEqual(before);
    await page.getByRole('button', { name: 'Back to a generated picture' }).click();
    await finished(page);
  }
  await drop('h1', 'notes.txt', Buffer.from('no picture'));
  await page.getByRole('alert').filter({ hasText: 'notes.txt is not a picture' }).waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
});

inChromium('without the headers for threads it uses one and says why, and at the next visit several', async () => {
  const plain = await serveStudio(studio.built, MODEL, { isolated: false });
  const context = await studio.browser.newContext({ serviceWorkers: 'block' });
  const other = await context.newPage();
  await openStudio(other, plain.url + ADDRESS);
  expect(await other.locator('.engine').textContent()).toMatch(/1 thread/);
  await other.getByTitle('Open another model').click();
  expect(await other.locator('dialog').textContent()).toMatch(/Cross-Origin-Opener-Policy/);
  await context.close();

  const second = await studio.browser.newPage();
  await openStudio(second, plain.url + ADDRESS);
  expect(await second.locator('.engine').textContent()).toMatch(/1 thread/);
  await second.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await second.reload();
  await finished(second);
  expect(await second.locator('.engine').textContent()).toMatch(/[2-8] threads/);
  await second.context().close();
  plain.close();
});

inChromium('several threads compute, nothing goes wrong unseen, and no other host is asked', async () => {
  expect(await page.locator('.engine').textContent()).toMatch(/[2-8] threads/);
  expect(errors).toEqual([]);
  expect(elsewhere).toEqual([]);
});
