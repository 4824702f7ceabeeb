import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type ServeOptions, serve } from '../../src/node/studio/serve';
import { studioSite } from '../../src/node/studio/site';
import { onlyWhere } from '../onlyWhere';

const root = resolve(__dirname, '../..');
export const MODEL = join(root, 'test/fixtures/checkpoint');
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

export const inChromium = onlyWhere(CHROMIUM !== undefined, 'there is no Chromium in /usr/bin');

/** Builds the page from its sources. @returns where it lies */
export function buildPage(): string {
  const page = join(root, '.cache/studio-test');
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', 'studio', '--outDir', page, '--logLevel', 'warn'], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production' },
  });
  return page;
}

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}

/** A server of the studio with the test's model. */
export async function serveStudio(
  page: string,
  options: Partial<ServeOptions> = {},
): Promise<{ url: string; close(): void }> {
  const server = await serve(await studioSite(MODEL, page), { port: 0, ...options });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Opens the studio and waits for its picture. */
export async function openStudio(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await finished(page);
}

/** Waits until the picture of the prompts as they are is there. */
export async function finished(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('.stage')?.getAttribute('data-state') === 'finished');
}

/** A canvas's pixels, RGBA. */
export async function pixels(page: Page, selector: string): Promise<number[]> {
  return page.locator(selector).evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    return Array.from((canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data);
  });
}
