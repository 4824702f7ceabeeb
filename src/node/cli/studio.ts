import type { AddressInfo } from 'node:net';
import type { Command } from 'commander';
import { EMBEDDED } from '../checkpoint';
import { serve } from '../studio/serve';
import { studioSite, writeSite } from '../studio/site';
import { number } from './read';

interface StudioOptions {
  readonly model: string;
  readonly host: string;
  readonly port: number;
  readonly write?: string;
}

export function addStudio(program: Command): void {
  program
    .command('studio')
    .description(
      'Open the studio: a page on which cross-attention can be seen and turned. The model runs in the browser.',
    )
    .option('--model <folder>', 'the model to open it with: a folder in the diffusers layout', EMBEDDED)
    .option('--host <address>', 'the address to listen at', '127.0.0.1')
    .option('--port <n>', 'the port to listen at; 0 for any that is free', number, 8080)
    .option(
      '--write <folder>',
      'write the page with the model to a folder that any web server can serve, instead of serving it',
    )
    .action(studio);
}

async function studio({ model, host, port, write }: StudioOptions): Promise<void> {
  const site = await studioSite(model);
  if (write !== undefined) {
    await writeSite(site, write);
    process.stdout.write(
      `Wrote ${write}. Serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp; without them it uses one thread.\n`,
    );
    return;
  }
  const server = await serve(site, { host, port });
  const { port: taken } = server.address() as AddressInfo;
  process.stdout.write(
    `The studio is at http://${host === '127.0.0.1' ? 'localhost' : host}:${taken}/ (Ctrl+C ends it)\n`,
  );
}
