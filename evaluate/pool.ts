import { type ChildProcess, fork } from 'node:child_process';
import type { BackendInfo } from '../src/backend/backendInfo';
import type { Outcome } from './experiment';
import type { Setup, Task } from './worker';

/**
 * Distributes tasks among processes. Two processes of one thread each are faster than one of two threads, which
 * synchronise after every operation.
 *
 * @param onDone called with each task's outcome, in no particular order
 * @returns the processes' backend
 */
export async function inProcesses(
  count: number,
  script: string,
  setup: Setup,
  tasks: readonly Task[],
  onDone: (task: Task, outcome: Outcome) => void,
): Promise<BackendInfo> {
  const processes = Array.from({ length: count }, () => fork(script, { serialization: 'advanced' }));
  try {
    const [backend] = await Promise.all(processes.map((process) => ask<BackendInfo>(process, setup)));
    const left = [...tasks];
    await Promise.all(
      processes.map(async (process) => {
        for (let task = left.shift(); task; task = left.shift()) onDone(task, await ask<Outcome>(process, task));
      }),
    );
    return backend;
  } finally {
    processes.forEach((process) => process.kill());
  }
}

function ask<Reply>(process: ChildProcess, message: Setup | Task): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`A process of the evaluation ended (${code ?? 'killed'}).`));
    process.once('exit', ended);
    process.once('message', (reply: Reply | { error: string }) => {
      process.off('exit', ended);
      if (reply && typeof reply === 'object' && 'error' in reply) reject(new Error(reply.error));
      else resolve(reply as Reply);
    });
    process.send(message);
  });
}
