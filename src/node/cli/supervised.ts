import { Worker } from 'node:worker_threads';
import { Interrupted } from './errors';
import type { Staging } from './staging';
import type { Report } from './supervise';

/** The computing process's side of {@link supervise}. Elsewhere there is nobody to tell, and nobody stops anything. */

let supervised = false;
const stopping = new AbortController();

/** Ends the process, whatever it computes, when it is no longer its supervisor's: that was killed. */
const WATCH = `
  const { ppid } = process;
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGKILL'), 500);
`;

/** Listens to the supervisor; its end is the end of this process, too. */
export function answerToSupervisor(): void {
  supervised = true;
  process.on('SIGINT', () => {}); // A terminal's Ctrl-C reaches both, and the supervisor answers to it.
  process.on('message', () => stopping.abort(new Interrupted()));
  process.on('disconnect', () => process.exit(1));
  process.channel?.unref();
  new Worker(WATCH, { eval: true, execArgv: [] }).unref();
}

/** Aborted, with {@link Interrupted} as the reason, when the user asks to stop. */
export const stopSignal: AbortSignal = stopping.signal;

/** A hidden folder is about to be made: it is to be removed if this process is ended. */
export function tellStaging(staging: Staging): void {
  tell({ staging });
}

/** All is computed, and files move to their places: that is not to be broken off. */
export function tellPublishing(): void {
  tell('publishing');
}

function tell(report: Report): void {
  if (supervised) process.send?.(report);
}
