/**
 * Records a walk through the studio with the embedded model: docs/images/studio.png and docs/images/studio-walk.gif.
 */
import { statSync } from 'node:fs';
import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { buildPage, openBrowser, serveStudio } from './studioPage';

const IMAGES = 'docs/images';
const SIZE = { width: 1180, height: 760 };
/** The GIF's width in pixels, and its maximum size in bytes. */
const [WIDTH, MOST] = [880, 2_000_000];

interface Frame {
  readonly png: Buffer;
  /** In milliseconds. */
  readonly delay: number;
}

/** Draws a pointer, which screenshots of a headless browser lack. */
const POINTER = `
  const pointer = document.createElement('div');
  pointer.style = 'position: fixed; z-index: 9; width: 18px; height: 18px; margin: -9px; border-radius: 50%; background: #0006; border: 2px solid #fff; pointer-events: none';
  document.body.append(pointer);
  addEventListener('pointermove', ({ clientX, clientY }) => Object.assign(pointer.style, { left: clientX + 'px', top: clientY + 'px' }));
`;

class Walk {
  private readonly frames: Frame[] = [];

  constructor(private readonly page: Page) {}

  async show(delay: number): Promise<void> {
    this.frames.push({ png: await this.page.screenshot(), delay });
  }

  async pointAt(place: Locator, delay = 1200): Promise<void> {
    await place.hover();
    await this.show(delay);
  }

  async click(place: Locator): Promise<void> {
    await this.pointAt(place, 500);
    await place.click();
  }

  /** Records the picture's progress until it is finished. */
  async watch(): Promise<void> {
    const stage = this.page.locator('.stage');
    let seen = '';
    while ((await stage.getAttribute('data-state')) !== 'finished') {
      const now = await this.page
        .locator('.of-edit .picture')
        .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
      if (now !== seen) await this.show(250);
      seen = now;
      await this.page.waitForTimeout(100);
    }
    await this.show(1500);
  }

  async drag(slider: Locator, from: number, to: number): Promise<void> {
    const { x, y, width, height } = (await slider.boundingBox())!;
    const move = (share: number) => this.page.mouse.move(x + share * width, y + height / 2);
    await move(from);
    await this.page.mouse.down();
    for (let step = 1; step <= 6; step++) {
      await move(from + ((to - from) * step) / 6);
      await this.page.waitForTimeout(700);
      await this.show(300);
    }
    await this.page.mouse.up();
    await this.watch();
  }

  async write(file: string): Promise<void> {
    const pictures = await Promise.all(this.frames.map(({ png }) => sharp(png).resize(WIDTH).png().toBuffer()));
    await sharp(pictures, { join: { animated: true } })
      .gif({ delay: this.frames.map(({ delay }) => delay), loop: 0, effort: 8, interFrameMaxError: 4 })
      .toFile(file);
  }
}

async function main(): Promise<void> {
  const server = await serveStudio(buildPage('studio-walk'));
  const browser = await openBrowser();
  const page = await browser.newPage({ viewport: SIZE, colorScheme: 'light' });
  await page.goto(server.url);
  await page.locator('.stage[data-state=finished]').waitFor();
  await page.screenshot({ path: `${IMAGES}/studio.png` });

  await page.evaluate(POINTER);
  const walk = new Walk(page);
  const word = (name: string | RegExp) => page.locator('.chips').getByRole('button', { name });
  await walk.show(1500);
  await walk.pointAt(word(/^cat$/));
  await walk.pointAt(word('bicycle becomes motorcycle'));
  await walk.click(word('bicycle becomes motorcycle'));
  await walk.show(700);
  await walk.click(page.locator('.known').getByRole('button', { name: 'car', exact: true }));
  await walk.watch();
  await walk.drag(page.locator('.keep input'), 0.5, 0.75);
  await walk.click(page.getByRole('button', { name: 'Add a word at the end' }));
  await page.keyboard.type('at night');
  await walk.show(700);
  await page.keyboard.press('Enter');
  await walk.watch();
  await walk.click(page.getByRole('button', { name: 'Wipe' }));
  for (const share of ['30', '70', '50']) {
    await page.locator('.divider').fill(share);
    await walk.show(600);
  }
  await walk.write(`${IMAGES}/studio-walk.gif`);
  await browser.close();
  server.close();

  const { size } = statSync(`${IMAGES}/studio-walk.gif`);
  if (size > MOST) throw new Error(`${IMAGES}/studio-walk.gif has ${size} bytes, which is more than ${MOST}.`);
  console.log(`${IMAGES}/studio.png, ${IMAGES}/studio-walk.gif (${Math.round(size / 1000)} kB)`);
}

void main();
