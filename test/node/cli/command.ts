import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(__dirname, '../../..');

/** A small model for `--model`: its pictures are meaningless but fast. */
export const MODEL = join(root, 'test/fixtures/checkpoint');

/** The words of a command line, split as a shell would split those in the docs. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

/** Arguments without an option and its value, to give it another one. */
export function without(args: readonly string[], option: string): string[] {
  return args.filter((arg, i) => arg !== option && args[i - 1] !== option);
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Builds the command into its own folder, with an empty folder to work in. Call it at the top of a test file. */
export function useCommand() {
  let place: string;
  beforeAll(async () => {
    mkdirSync(join(root, '.cache'), { recursive: true });
    place = mkdtempSync(join(root, '.cache', 'command-'));
    const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((path) => path.endsWith('.ts'));
    await build({
      entryPoints: sources.map((path) => join(root, 'src', path)),
      outbase: join(root, 'src'),
      outdir: join(place, 'dist'),
      format: 'cjs',
      platform: 'node',
      target: 'es2022',
    });
    for (const name of ['package.json', 'weights', 'fonts']) symlinkSync(join(root, name), join(place, name));
    mkdirSync(join(place, 'work'));
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [join(place, 'dist/node/cli/main.js'), ...args], {
      cwd: join(place, 'work'),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return {
    /** A path in the folder that commands run in. */
    work: (...path: string[]): string => join(place, 'work', ...path),
    start,
    /** The command's file. */
    main: (): string => join(place, 'dist/node/cli/main.js'),
    p2p: (...args: string[]): Promise<Outcome> => outcome(start(...args)),
  };
}

export async function outcome(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data) => {
    stdout += data;
  });
  child.stderr?.on('data', (data) => {
    stderr += data;
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, stdout, stderr };
}
