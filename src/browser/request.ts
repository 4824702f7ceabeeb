import { CheckpointError } from '../errors';

/** A file's bytes from an offset on. */
export interface Body {
  /** The offset they begin at: 0 if the server only sends whole files. */
  readonly start: number;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Requests a file's bytes from `start` up to but not including `end`.
 *
 * @throws CheckpointError naming the URL and the server's answer
 */
export async function request(url: string, start: number, end: number): Promise<Body> {
  const response = await answer(url, start === 0 ? {} : { Range: `bytes=${start}-${end - 1}` });
  if (!response.body) throw new CheckpointError(`${url} is empty.`);
  return { start: response.status === 206 ? start : 0, stream: response.body };
}

/** @throws CheckpointError as {@link request} */
export async function requestJson(url: string): Promise<unknown> {
  const response = await answer(url, {}, 'no-cache');
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${url} is not JSON: ${(error as Error).message}`);
  }
}

async function answer(
  url: string,
  headers: Record<string, string>,
  cache: RequestCache = 'default',
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { headers, cache });
  } catch (error) {
    throw new CheckpointError(
      `${url} cannot be reached: ${(error as Error).message}. Check the connection, and whether the server allows requests from this page (CORS).`,
    );
  }
  if (response.ok) return response;
  const said = [response.status, response.statusText].join(' ').trim();
  throw new CheckpointError(`${url} cannot be downloaded: the server answers ${said}.`);
}
