import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { type ServeOptions, serve } from '../src/node/studio/serve';
import { studioSite } from '../src/node/studio/site';

/** The path of Chromium, if installed. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Builds the studio's page from its sources. Call it in the project's folder. @returns its folder, in `.cache/` */
export function buildPage(name: string): string {
  const page = join(process.cwd(), '.cache', name);
  const vite = join(process.cwd(), 'node_modules/vite/bin/vite.js');
  // Tests build concurrently, each into its own folder.
  execFileSync(process.execPath, [vite, 'build', 'studio', '--outDir', page, '--logLevel', 'warn', '--bypass-lock'], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return page;
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}

/** Serves a built page. @param model its name, or a folder */
export async function serveStudio(
  page: string,
  model?: string,
  options: Partial<ServeOptions> = {},
): Promise<{ url: string; close(): void }> {
  const server = await serve(await studioSite(model, page), { port: 0, ...options });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
