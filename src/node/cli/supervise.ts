import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeStaging, type Staging } from './staging';

/** The computing process's reports to its supervisor. */
export type Report = { readonly staging: Staging } | 'publishing';

/** How long a run that is moving its files to their destinations may take to end, in milliseconds. */
const PUBLISHING_TIME = 500;

/**
 * Runs the command line in a child process and handles signals meanwhile. A step of a run blocks its process until it
 * is computed, which takes minutes at large sizes; the supervisor stays responsive. A first Ctrl-C asks the child to
 * stop at its next step; a second one, SIGTERM or SIGHUP ends it at once. Output it had not published is removed.
 *
 * @param aftermath what to say is left when it was stopped
 * @returns the child's exit code, or 128 + the number of the signal that stopped it
 */
export async function supervise(args: readonly string[], aftermath: string): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, join(__dirname, 'computing.js'), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const staged: Staging[] = [];
  let publishing = false;
  child.on('message', (report: Report) => {
    if (report === 'publishing') publishing = true;
    else staged.unshift(report.staging);
  });

  let stoppedBy: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const first = stoppedBy === undefined;
    stoppedBy = signal;
    if (signal === 'SIGINT' && first) {
      process.stderr.write('\nStopping at the next step; press Ctrl-C again to stop at once.\n');
      if (child.connected) child.send('stop');
    } else {
      void sleep(publishing ? PUBLISHING_TIME : 0).then(() => child.kill('SIGKILL'));
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  const [code, killedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  for (const signal of signals) process.off(signal, onSignal);

  if (code === 0) return 0;
  staged.forEach(removeStaging);
  if (stoppedBy) {
    process.stderr.write(`Stopped. ${aftermath}\n`);
    return 128 + constants.signals[stoppedBy];
  }
  if (code !== null) return code;
  process.stderr.write(
    `error: The computation was ended by ${killedBy}${killedBy === 'SIGKILL' ? ', as happens when memory runs out: try a smaller picture or --memory' : ''}. ${aftermath}\n`,
  );
  return 1;
}
