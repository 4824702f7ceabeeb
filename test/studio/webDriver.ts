import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** The paths of what runs Firefox and WebKit here, if installed: Debian's firefox-esr; webkit2gtk-driver and xvfb. */
export const FIREFOX = installed('/usr/bin/firefox-esr', '/usr/bin/firefox');
const MINI_BROWSER = installed(
  '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
  '/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
);
const WEBKIT_DRIVER = installed('/usr/bin/WebKitWebDriver');
const XVFB = installed('/usr/bin/Xvfb');
export const WEBKIT = XVFB && MINI_BROWSER && WEBKIT_DRIVER;

/** How long a program may take to start, in milliseconds. */
const PATIENCE = 60_000;

function installed(...paths: string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

/** The commands of the W3C's WebDriver that are used here, by their names in Firefox, and their paths over HTTP. */
const COMMANDS = {
  Navigate: 'url',
  ExecuteScript: 'execute/sync',
  FindElement: 'element',
  ElementClick: 'element/{id}/click',
  ElementSendKeys: 'element/{id}/value',
} as const;

type Send = (command: keyof typeof COMMANDS, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** A page in a browser that playwright cannot drive, with the few of playwright's methods that the tests need. */
export class DrivenPage {
  constructor(
    private readonly send: Send,
    /** Ends the browser. */
    readonly close: () => Promise<void>,
  ) {}

  async goto(url: string): Promise<void> {
    await this.send('Navigate', { url });
  }

  /** Runs a function in the page. Its arguments and result are JSON. */
  async evaluate<Given extends readonly unknown[], Result>(
    work: (...given: Given) => Result,
    ...args: Given
  ): Promise<Awaited<Result>> {
    const script = `return (${work})(...arguments);`;
    return (await this.send('ExecuteScript', { script, args })) as Awaited<Result>;
  }

  /** Waits until a function returns `true` in the page. */
  async waitFor<Given extends readonly unknown[]>(work: (...given: Given) => boolean, ...args: Given): Promise<void> {
    while (!(await this.evaluate(work, ...args))) await sleep(100);
  }

  /** Clicks what a CSS selector finds, as a pointer does. */
  async click(selector: string): Promise<void> {
    await this.send('ElementClick', { id: await this.find(selector) });
  }

  /** Types a text into what a CSS selector finds. */
  async type(selector: string, text: string): Promise<void> {
    await this.send('ElementSendKeys', { id: await this.find(selector), text });
  }

  private async find(value: string): Promise<string> {
    const found = await this.send('FindElement', { using: 'css selector', value });
    return Object.values(found as Record<string, string>)[0];
  }
}

/**
 * Waits until a program, whose stderr is a pipe, has started; it is killed if it does not.
 *
 * @param start what it then gives; to be given up when the signal is aborted
 * @throws Error with the program's exit code and its stderr if it ends, or takes too long
 */
async function started<Given>(program: ChildProcess, start: (signal: AbortSignal) => Promise<Given>): Promise<Given> {
  let said = '';
  program.stderr!.on('data', (part: Buffer) => {
    said += part;
  });
  const over = new AbortController();
  const failure = new Promise<never>((_, reject) => {
    const fail = (how: string): void => reject(new Error(`${basename(program.spawnfile)} ${how}. ${said}`));
    program.once('error', ({ message }) => fail(`cannot be run: ${message}`));
    program.once('close', (code, signal) => fail(`ended with ${signal ?? `exit code ${code}`}`));
    setTimeout(fail, PATIENCE, `did not start in ${PATIENCE / 1000} s`).unref();
  });
  try {
    return await Promise.race([start(over.signal).catch(afterAMoment), failure]);
  } catch (error) {
    program.kill('SIGKILL');
    throw error;
  } finally {
    over.abort();
  }
}

/** A connection breaks just before its program is known to have ended, which says more. */
async function afterAMoment(error: Error): Promise<never> {
  await sleep(1000);
  throw error;
}

/** Starts Firefox, which is driven over a socket of its own: JSON in both directions, each after its length. */
export async function openFirefox(path = FIREFOX!): Promise<DrivenPage> {
  const profile = await mkdtemp(join(tmpdir(), 'firefox-'));
  await writeFile(join(profile, 'user.js'), 'user_pref("marionette.port", 0);'); // Any free one.
  const firefox = spawn(path, ['--headless', '--marionette', '--profile', profile], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => firefox.once('close', resolve));
  const removeProfile = (): Promise<void> => rm(profile, { recursive: true, force: true, maxRetries: 5 });
  const ask = await started(firefox, async (signal) =>
    sessionAt(await portIn(join(profile, 'MarionetteActivePort'), signal)),
  ).catch(async (error) => {
    await removeProfile();
    throw error;
  });
  return new DrivenPage(
    async (command, parameters) =>
      ((await ask(`WebDriver:${command}`, parameters)) as { readonly value: unknown }).value,
    async () => {
      await ask('Marionette:Quit');
      await ended;
      await removeProfile();
    },
  );
}

/** Begins a session with the Firefox that listens at a port. @returns what sends it a command */
async function sessionAt(port: number): Promise<(command: string, parameters?: object) => Promise<unknown>> {
  const socket = connect(port, '127.0.0.1');
  const replies = messages(socket);
  await replies.next(); // The greeting.
  let id = 0;
  const ask = async (command: string, parameters: object = {}): Promise<unknown> => {
    const text = JSON.stringify([0, ++id, command, parameters]);
    socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [, , error, result] = (await replies.next()).value as [1, number, object | null, unknown];
    if (error) throw new Error(`Firefox refuses ${command}: ${JSON.stringify(error)}`);
    return result;
  };
  await ask('WebDriver:NewSession');
  return ask;
}

/** The port in a file that Firefox writes as soon as it listens. */
async function portIn(path: string, signal: AbortSignal): Promise<number> {
  while (!existsSync(path)) await sleep(50, undefined, { signal });
  return Number(await readFile(path, 'utf8')) || portIn(path, signal);
}

async function* messages(socket: Readable): AsyncGenerator<unknown, never> {
  let bytes = Buffer.alloc(0);
  for await (const part of socket) {
    bytes = Buffer.concat([bytes, part as Buffer]);
    for (let colon = bytes.indexOf(':'); colon >= 0; colon = bytes.indexOf(':')) {
      const end = colon + 1 + Number(bytes.toString('utf8', 0, colon));
      if (bytes.length < end) break;
      yield JSON.parse(bytes.toString('utf8', colon + 1, end));
      bytes = bytes.subarray(end);
    }
  }
  throw new Error('Firefox ended.');
}

/** The driver waits for a browser that has ended; this script of its own ends the driver then. */
const OR_END_THE_DRIVER = '"$0" "$@" || { echo "$0 ended with exit code $?." >&2; kill $PPID; }';

/** Starts WebKitGTK's MiniBrowser on a screen of its own, because it has no mode without one. */
export async function openWebKit(browser = MINI_BROWSER!): Promise<DrivenPage> {
  const screen = spawn(XVFB!, ['-displayfd', '3', '-screen', '0', '1280x1024x24'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const [display] = (await started(screen, (signal) => once(screen.stdio[3]!, 'data', { signal }))) as [Buffer];
  const port = await freePort();
  const driver = spawn(WEBKIT_DRIVER!, [`--port=${port}`], {
    env: { ...process.env, DISPLAY: `:${display.toString().trim()}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ask = async (method: string, path: string, body?: object, signal?: AbortSignal): Promise<unknown> => {
    const address = `http://127.0.0.1:${port}/${path}`;
    const answer = await fetch(address, { method, body: body && JSON.stringify(body), signal });
    const { value } = (await answer.json()) as { readonly value: unknown };
    if (!answer.ok) throw new Error(`WebKit refuses ${method} ${path}: ${JSON.stringify(value)}`);
    return value;
  };
  const args = ['-c', OR_END_THE_DRIVER, browser, '--automation'];
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': { binary: '/bin/sh', args } } };
  const { sessionId } = (await started(driver, async (signal) => {
    while (!(await ask('GET', 'status').catch(() => false))) await sleep(50, undefined, { signal });
    return ask('POST', 'session', { capabilities }, signal);
  }).catch((error) => {
    screen.kill();
    throw error;
  })) as { readonly sessionId: string };
  return new DrivenPage(
    (command, { id, ...parameters }) =>
      ask('POST', `session/${sessionId}/${COMMANDS[command].replace('{id}', String(id))}`, parameters),
    async () => {
      await ask('DELETE', `session/${sessionId}`);
      driver.kill();
      screen.kill();
      await Promise.all([once(driver, 'exit'), once(screen, 'exit')]);
    },
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
