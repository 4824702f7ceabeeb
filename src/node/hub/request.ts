import { setTimeout as sleep } from 'node:timers/promises';
import type { HubEnvironment } from './environment';
import { HubError } from './error';

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** The wait before the first retry, in milliseconds; it doubles with each further retry. */
  readonly pause?: number;
}

/** How often a request is sent before giving up. */
export const ATTEMPTS = 5;
/** The longest wait that the hub may ask for, in seconds. */
const MAX_WAIT = 300;

/**
 * A `fetch` for one hub. It sends the token only there, waits as long as the hub asks for (429, 503 with
 * `Retry-After`), and retries after a server error or a failed connection.
 */
export function hubFetch({ endpoint, token }: HubEnvironment, { signal, pause = 1000 }: RequestOptions): typeof fetch {
  const origin = new URL(endpoint).origin;
  return async (input, init) => {
    const request = new Request(input, { ...init, signal });
    request.headers.delete('Authorization');
    // fetch drops the header on a redirect to another host, where the large files are.
    if (token && new URL(request.url).origin === origin) request.headers.set('Authorization', `Bearer ${token}`);
    for (let attempt = 1; ; attempt++) {
      const answer = await send(request.clone(), signal);
      const wait = attempt < ATTEMPTS ? waitAfter(answer, pause * 2 ** (attempt - 1)) : undefined;
      if (wait !== undefined) {
        if (answer instanceof Response) await answer.body?.cancel();
        await sleep(wait, undefined, { signal });
      } else if (answer instanceof Response) {
        return answer;
      } else {
        throw answer;
      }
    }
  };
}

/** How long to wait before another attempt, in milliseconds; undefined if a retry is no use. */
function waitAfter(answer: Response | HubError, pause: number): number | undefined {
  if (answer instanceof HubError) return pause;
  if (answer.status !== 429 && answer.status < 500) return undefined;
  const seconds = retryAfter(answer);
  if (seconds === undefined) return pause;
  return seconds <= MAX_WAIT ? seconds * 1000 : undefined;
}

/** @returns a HubError if there was no response */
async function send(request: Request, signal?: AbortSignal): Promise<Response | HubError> {
  try {
    return await fetch(request);
  } catch (error) {
    signal?.throwIfAborted();
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    return new HubError(
      `${new URL(request.url).origin} cannot be reached${code ? ` (${code})` : ''}. Check the connection, and HF_ENDPOINT if it is set.`,
    );
  }
}

/** The header's seconds, or the seconds until its date. */
function retryAfter({ headers }: Response): number | undefined {
  const value = headers.get('Retry-After');
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/**
 * The error for an unsuccessful response.
 *
 * @param what what was requested, such as a repository's name
 */
export function refusal(status: number, what: string, { endpoint, token }: HubEnvironment): HubError {
  const host = new URL(endpoint).host;
  const account = token
    ? 'the token that was sent does not open it'
    : 'no token was sent; HF_TOKEN, or the file that `hf auth login` writes, would be';
  switch (status) {
    case 401:
    case 403:
      return new HubError(
        `${host} denies access to ${what} (${status}): it is private or gated, or does not exist, and ${account}. Check the name, and accept the model's terms on its page if it has any.`,
      );
    case 404:
      return new HubError(`${host} has no ${what} (404). Check the name and the revision.`);
    case 429:
      return new HubError(
        `${host} limits requests (429), and asks to wait longer than ${MAX_WAIT} s or more than ${ATTEMPTS} times. Run it again later; what is downloaded is kept.`,
      );
    default:
      return new HubError(
        `${host} answered ${status} when asked for ${what}. Run it again later; what is downloaded is kept.`,
      );
  }
}
