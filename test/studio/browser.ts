import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { buildPage as buildPageAs, CHROMIUM, openBrowser, serveStudio } from '../../scripts/studioPage';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { type Picture, toPictures } from '../../src/image/picture';
import { loadPipeline } from '../../src/node';
import { onlyWhere } from '../onlyWhere';

export { openBrowser, serveStudio };

export const MODEL = join(resolve(__dirname, '../..'), 'test/fixtures/checkpoint');

export const inChromium = onlyWhere(CHROMIUM !== undefined, 'there is no Chromium in /usr/bin');

/** Builds the page from its sources. @returns its folder, a different one for each of jest's parallel workers */
export const buildPage = (): string => buildPageAs(`studio-test-${process.env.JEST_WORKER_ID}`);

/** What the tests of a file need of the studio. */
interface Studio {
  /** The folder of the built page. */
  readonly built: string;
  readonly browser: Browser;
  /** The server's URL, with the test's model. */
  readonly url: string;
}

/** Builds and serves the page and starts a browser, for the tests of a file. Call it at its top. */
export function useStudio(): Studio {
  const studio = {} as { -readonly [Name in keyof Studio]: Studio[Name] };
  let server: Awaited<ReturnType<typeof serveStudio>>;
  beforeAll(async () => {
    studio.built = buildPage();
    server = await serveStudio(studio.built, MODEL);
    studio.url = server.url;
    studio.browser = await openBrowser();
  });
  afterAll(async () => {
    await studio.browser?.close();
    server?.close();
  });
  return studio;
}

/** An edit in few steps, which the page has to make as Node does. */
export const PROMPTS = ['a cat riding a bicycle', 'a cat riding a car'];
const SETTINGS = { seed: 7, steps: 6, guidance: 3, sampler: 'dpm++' } as const;
export const ADDRESS = addressOf({
  source: PROMPTS[0],
  target: PROMPTS[1],
  seed: '7',
  steps: '6',
  guidance: '3',
  sampler: 'dpm++',
});

/** The source and the edit of {@link ADDRESS}, made here. */
export async function picturesOfNode(): Promise<Picture[]> {
  const pipe = await loadPipeline(MODEL, { backend: 'wasm' });
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS, shares: pipe.defaults.shares });
  const { images } = await pipe.generate(PROMPTS, { ...SETTINGS, controller });
  pipe.dispose();
  return toPictures(images);
}

/** Opens the studio and waits for its picture. */
export async function openStudio(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await finished(page);
}

/** Waits until the picture of the current prompts is finished. */
export async function finished(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('.stage')?.getAttribute('data-state') === 'finished');
}

/** A canvas's pixels, RGBA. They come as one text, because playwright takes seconds for so many numbers. */
export async function pixels(page: Page, selector: string): Promise<number[]> {
  const text = await page.locator(selector).evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(''));
  });
  return Array.from(Buffer.from(text, 'base64'));
}

/** The largest difference of two pictures, of 255. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a).toHaveLength(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

export const address = (of: Page): URLSearchParams => new URLSearchParams(new URL(of.url()).hash.slice(1));

/** A recipe as a URL fragment. */
export function addressOf(recipe: Readonly<Record<string, string>>): string {
  return `#${new URLSearchParams(recipe)}`;
}
