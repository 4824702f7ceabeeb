import { Worker } from 'node:worker_threads';
import { Interrupted } from './errors';
import type { Staging } from './staging';
import type { Report } from './supervise';

/** The computing process's side of {@link supervise}. In an unsupervised process, these functions do nothing. */

let supervised = false;
const stopping = new AbortController();

/** Kills the process, even while it computes, when its parent changes because the supervisor was killed. */
const WATCH = `
  const { ppid } = process;
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGKILL'), 500);
`;

/** Listens to the supervisor, and exits when it does. */
export function answerToSupervisor(): void {
  supervised = true;
  process.on('SIGINT', () => {}); // A terminal's Ctrl-C reaches both processes; the supervisor handles it.
  process.on('message', () => stopping.abort(new Interrupted()));
  process.on('disconnect', () => process.exit(1));
  process.channel?.unref();
  new Worker(WATCH, { eval: true, execArgv: [] }).unref();
}

/** Aborted, with {@link Interrupted} as the reason, when the user asks to stop. */
export const stopSignal: AbortSignal = stopping.signal;

/** Reports that a hidden folder is about to be made, to be removed if this process is killed. */
export function tellStaging(staging: Staging): void {
  tell({ staging });
}

/** Reports that everything is computed and files are being moved, which should not be interrupted. */
export function tellPublishing(): void {
  tell('publishing');
}

function tell(report: Report): void {
  if (supervised) process.send?.(report);
}
