import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * Names of files and folders in the making. They lie hidden beside the place that they will move to, on the same disk,
 * and say which process makes them, so that the next one to write there can clear what a killed one left.
 */

const MACHINE = hostname().replace(/[^\w.]/g, '-');
const NAME = /^\..+\.p2p-(.+)-(\d+)-[0-9a-f]{8}$/;

/** A name of its own beside `place`, for what is to move there. */
export function temporaryBeside(place: string): string {
  return join(dirname(place), `.${basename(place)}.p2p-${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** Removes from a folder what processes of this machine left there that are no more. */
export async function clearAbandoned(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const abandoned = names.filter((name) => {
    const [, machine, pid] = NAME.exec(name) ?? [];
    return machine === MACHINE && !isRunning(Number(pid));
  });
  // What cannot be removed is no reason to stop: it may be another user's.
  for (const name of abandoned) await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Linux lists a process that has ended until its parent, or whoever stands in for it, has asked how. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // No Linux, or gone by now.
  }
}
