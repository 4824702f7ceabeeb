import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { serve } from '../../src/node/studio/serve';
import { studioSite, writeSite } from '../../src/node/studio/site';
import { buildPage, finished, inChromium, MODEL, openBrowser } from '../studio/browser';

const root = resolve(__dirname, '../..');
const folder = '.cache/site-test';
const site = join(root, folder);

const run = (script: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: 'pipe',
  });
const checkLinks = (): string => run('linkinator/build/src/cli.js', `${folder}/**/*.html`);

/** The site as `npm run site` makes it, with the tests' small model. */
beforeAll(async () => {
  rmSync(site, { recursive: true, force: true });
  run('typedoc/bin/typedoc', '--out', folder);
  await writeSite(await studioSite(MODEL, buildPage()), join(site, 'studio'));
});

test('no link of the site leads nowhere, and one that did would be found', () => {
  checkLinks();
  const broken = join(site, 'broken.html');
  writeFileSync(broken, '<a href="docs/cli.html#nowhere">a section</a> <a href="docs/nothing.html">a page</a>');
  const check = expect(checkLinks);
  check.toThrow(/docs\/cli\.html#nowhere/);
  check.toThrow(/docs\/nothing\.html/);
  rmSync(broken);
});

describe('in a folder of a server that sends no headers', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    server = await serve({ page: join(root, '.cache'), model: MODEL, made: new Map() }, { port: 0, isolated: false });
    browser = await openBrowser();
    page = await browser.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('requestfailed', (request) => problems.push(request.url()));
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/site-test/index.html`);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    server?.closeAllConnections();
  });

  inChromium('the search finds a symbol, and what a guide says', async () => {
    for (const [text, place] of [
      ['attentionReweight', 'functions/prompt-to-prompt-tfjs.attentionReweight.html'],
      ['feather', 'docs/pictures.html'],
    ]) {
      await page.locator('#tsd-search-trigger').click();
      await page.locator('#tsd-search-input').fill(text);
      await page.locator(`#tsd-search-results a[href*="${place}"]`).first().waitFor();
      await page.keyboard.press('Escape');
    }
  });

  inChromium('the studio, one link from any page, makes a picture', async () => {
    await page.goto(new URL('docs/cli.html', page.url()).href);
    await page.locator('#tsd-toolbar-links').getByRole('link', { name: 'Studio' }).click();
    await finished(page);
    expect(problems).toEqual([]);
  });
});
