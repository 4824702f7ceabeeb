import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01';
export const NAME = 'org/model';

/** A request, as the server saw it. */
export interface Seen {
  readonly host: 'hub' | 'storage';
  readonly path: string;
  readonly range?: string;
  readonly authorization?: string;
}

/** Answers a request itself and returns true, or leaves it to the hub. */
export type Mischief = (
  request: IncomingMessage,
  response: ServerResponse,
  file: { path: string; bytes: Buffer } | undefined,
) => boolean;

/**
 * A local hub with one model. Files over 100 bytes count as large: for them the hub redirects to another host, its
 * storage, and states their SHA-256.
 */
export class FakeHub {
  readonly seen: Seen[] = [];
  /** Extra entries for the list of files. */
  listing: object[] = [];
  commit = COMMIT;
  onHub: Mischief = () => false;
  onStorage: Mischief = () => false;
  private readonly hub: Server;
  private readonly storage: Server;

  private constructor(readonly files: Record<string, Buffer>) {
    this.hub = createServer((request, response) => this.answer('hub', request, response));
    this.storage = createServer((request, response) => this.answer('storage', request, response));
  }

  static async start(files: Record<string, Buffer>): Promise<FakeHub> {
    const fake = new FakeHub(files);
    for (const server of [fake.hub, fake.storage])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get endpoint(): string {
    return addressOf(this.hub);
  }

  /** The paths of the requested files, in order. */
  get asked(): string[] {
    return this.seen
      .filter(({ path }) => path.includes('/resolve/'))
      .map(({ path }) => path.split(`/resolve/${this.commit}/`)[1]);
  }

  private answer(host: Seen['host'], request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '');
    this.seen.push({ host, path, range: request.headers.range, authorization: request.headers.authorization });
    const name = path.split(`/resolve/${this.commit}/`)[1];
    const file =
      name === undefined || !Object.hasOwn(this.files, name) ? undefined : { path: name, bytes: this.files[name] };
    if ((host === 'hub' ? this.onHub : this.onStorage)(request, response, file)) return;
    if (path.startsWith(`/api/models/${NAME}/revision/`))
      return json(response, { _id: '1', id: NAME, sha: this.commit, lastModified: '2024-01-01T00:00:00Z' });
    if (path.startsWith(`/api/models/${NAME}/tree/`)) return this.list(path, response);
    if (!file) return json(response, { error: 'Entry not found' }, 404);
    if (host === 'hub' && isLarge(file.bytes))
      return void response.writeHead(302, { Location: `${addressOf(this.storage)}${request.url}` }).end();
    sendFile(request, response, file.bytes);
  }

  /** In two pages, as the hub lists large repositories. */
  private list(path: string, response: ServerResponse): void {
    const entries = [...Object.entries(this.files).map(([name, bytes]) => listed(name, bytes)), ...this.listing];
    const half = Math.ceil(entries.length / 2);
    if (path.includes('cursor=')) return json(response, entries.slice(half));
    response.setHeader('Link', `<${this.endpoint}${path}&cursor=2>; rel="next"`);
    json(response, entries.slice(0, half));
  }
}

export function isLarge(bytes: Buffer): boolean {
  return bytes.length > 100;
}

export function checksumOf(bytes: Buffer): string {
  return isLarge(bytes)
    ? createHash('sha256').update(bytes).digest('hex')
    : createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

export function listed(path: string, bytes: Buffer): object {
  const lfs = isLarge(bytes) ? { lfs: { oid: checksumOf(bytes), size: bytes.length, pointerSize: 130 } } : {};
  return { type: 'file', path, size: bytes.length, oid: isLarge(bytes) ? '0'.repeat(40) : checksumOf(bytes), ...lfs };
}

/** The whole file, or from the requested byte on. */
export function sendFile(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from === 0) return void response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
  if (from >= bytes.length) return void response.writeHead(416).end();
  response.writeHead(206, {
    'Content-Length': bytes.length - from,
    'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
  });
  response.end(bytes.subarray(from));
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
