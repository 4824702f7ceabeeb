import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HubError } from './error';

/** The hub's address, cache and token, from the hub's usual environment variables. */
export interface HubEnvironment {
  /** The hub's address, without a trailing slash: `HF_ENDPOINT`. */
  readonly endpoint: string;
  /**
   * The cache folder: `HF_HUB_CACHE`, or `hub` below `HF_HOME`, or `huggingface/hub` below `XDG_CACHE_HOME` or
   * `~/.cache`.
   */
  readonly cache: string;
  /** The access token: `HF_TOKEN`, or the file named by `HF_TOKEN_PATH`, or `token` in `HF_HOME`. */
  readonly token?: string;
  /** Whether not to use the network: `HF_HUB_OFFLINE`. */
  readonly offline: boolean;
}

/**
 * @throws HubError if a variable has an invalid value
 * @see huggingface_hub's constants.py, whose rules these are
 */
export async function hubEnvironment(variables: NodeJS.ProcessEnv = process.env): Promise<HubEnvironment> {
  const value = (...names: string[]) => names.map((name) => variables[name]?.trim()).find(Boolean);
  const home = expandUser(value('HF_HOME') ?? join(value('XDG_CACHE_HOME') ?? '~/.cache', 'huggingface'));
  const isSet = (...names: string[]) => /^(?:1|on|yes|true)$/i.test(value(...names) ?? '');
  return {
    endpoint: checkEndpoint(value('HF_ENDPOINT') ?? 'https://huggingface.co'),
    cache: expandUser(value('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')),
    token: isSet('HF_HUB_DISABLE_IMPLICIT_TOKEN')
      ? undefined
      : checkToken(
          value('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN') ??
            (await tokenFile(expandUser(value('HF_TOKEN_PATH') ?? join(home, 'token')))),
        ),
    offline: isSet('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'),
  };
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new HubError(
      'HF_ENDPOINT is not an address of the form https://host. Correct it, or unset it for huggingface.co.',
    );
  }
  return endpoint.replace(/\/+$/, '');
}

function checkToken(token: string | undefined): string | undefined {
  // Checked here, because fetch's own error message would show the token.
  if (token && /[^\x21-\x7e]/.test(token))
    throw new HubError(
      "The hub's token (HF_TOKEN, or the token file) contains a character that cannot be in a token. Copy it again.",
    );
  return token;
}

async function tokenFile(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch {
    return undefined;
  }
}

function expandUser(path: string): string {
  return /^~(?=[/\\]|$)/.test(path) ? homedir() + path.slice(1) : path;
}
