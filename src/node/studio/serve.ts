import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileAt, type Site } from './site';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** The headers that let a page share memory between threads. */
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface ServeOptions {
  /** Default: 127.0.0.1, which other machines cannot reach. */
  readonly host?: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Whether to send the headers that let the page use threads. Default: true. */
  readonly isolated?: boolean;
}

/**
 * Serves the studio. It writes nothing, and reads nothing outside the site's folders.
 *
 * @returns the server, once it is listening
 * @throws Error if the port is taken; RangeError if the host is not an address of this machine
 */
export function serve(site: Site, { host = '127.0.0.1', port, isolated = true }: ServeOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(site, request, response, isolated ? ISOLATED : {}).catch(() => response.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(whyDeaf(error, host, port)));
    server.listen(port, host, () => resolve(server));
  });
}

/** Why the server cannot listen. */
function whyDeaf(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`Port ${port} is used by another program. Choose another one: --port 0 uses any free one.`);
    case 'EACCES':
      return new Error(`Port ${port} needs an administrator's rights. Choose one from 1024 on: --port 0 uses any.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new RangeError(
        `${host} is not an address of this machine. Choose 127.0.0.1, one of its others, or 0.0.0.0 for all of them.`,
      );
    default:
      return error;
  }
}

async function answer(
  site: Site,
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const path = pathOf(request);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return void response.writeHead(405, { Allow: 'GET, HEAD' }).end();
  const common = {
    ...headers,
    'Content-Type': TYPES[extname(path || 'index.html')] ?? 'application/octet-stream',
    'X-Content-Type-Options': 'nosniff',
  };
  const made = site.made.get(path);
  if (made !== undefined)
    return void response
      .writeHead(200, { ...common, 'Cache-Control': 'no-cache' })
      .end(request.method === 'HEAD' ? undefined : made);

  const file = fileAt(site, path);
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (!file || !found?.isFile())
    return void response
      .writeHead(404, { ...headers, 'Content-Type': 'text/plain' })
      .end(`There is no ${path} here.\n`);
  const tag = `"${found.size}-${Math.trunc(found.mtimeMs)}"`;
  const kept = {
    ...common,
    ETag: tag,
    'Accept-Ranges': 'bytes',
    'Cache-Control': path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  if (request.headers['if-none-match'] === tag) return void response.writeHead(304, kept).end();

  const range = rangeOf(request.headers.range, found.size);
  if (range === 'none')
    return void response.writeHead(416, { ...kept, 'Content-Range': `bytes */${found.size}` }).end();
  const { start, end } = range ?? { start: 0, end: found.size };
  response.writeHead(range ? 206 : 200, {
    ...kept,
    'Content-Length': end - start,
    ...(range && { 'Content-Range': `bytes ${start}-${end - 1}/${found.size}` }),
  });
  if (request.method === 'HEAD' || end === start) return void response.end();
  await pipeline(createReadStream(file, { start, end: end - 1 }), response);
}

/** The path without its leading slash; `..`, which is never found, if it cannot be decoded. */
function pathOf({ url = '/' }: IncomingMessage): string {
  try {
    return decodeURIComponent(new URL(url, 'http://studio').pathname).slice(1);
  } catch {
    return '..';
  }
}

/** @returns undefined for the whole file, `'none'` if there are no such bytes */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'none' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (!from && !to) return undefined;
  const start = from ? Number(from) : Math.max(0, size - Number(to));
  const end = from && to ? Math.min(size, Number(to) + 1) : size;
  return start < end ? { start, end } : 'none';
}
