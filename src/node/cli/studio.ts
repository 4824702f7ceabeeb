import type { AddressInfo } from 'node:net';
import { serve } from '../studio/serve';
import { emptyFolder, studioSite, writeSite } from '../studio/site';
import { naming, UsageError } from './errors';

export interface StudioManner {
  readonly model: string;
  readonly host: string;
  readonly port: number;
  readonly write?: string;
}

/** Serves the studio, or writes it to a folder. */
export async function studio({ model, host, port, write }: StudioManner): Promise<void> {
  const site = await studioSite(model);
  if (write !== undefined) {
    await naming('--write', () => emptyFolder(write));
    await writeSite(site, write);
    process.stdout.write(
      `Wrote ${write}. Serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp; without them it uses one thread.\n`,
    );
    return;
  }
  const server = await serve(site, { host, port }).catch((error: Error) => {
    throw error instanceof RangeError ? new UsageError(`--host: ${error.message}`) : error;
  });
  const { port: taken } = server.address() as AddressInfo;
  process.stdout.write(
    `The studio is at http://${host === '127.0.0.1' ? 'localhost' : host}:${taken}/ (Ctrl+C ends it)\n`,
  );
}
