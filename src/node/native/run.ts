import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BackendError } from '../../backend/backendInfo';

/** Runs a program. @returns what it printed @throws BackendError with the end of its error output */
export async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, [...args], {
      cwd,
      env: process.env,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const lines = (stderr.trim() || message).split('\n');
    throw new BackendError(`${program} ${args[0] ?? ''} failed:\n${lines.slice(-12).join('\n')}`);
  }
}

/** Whether a program is available, by running it with `--version` or the given arguments. */
export async function has(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args.length > 0 ? args : ['--version']).then(
    () => true,
    () => false,
  );
}
