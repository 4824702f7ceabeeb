import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * Temporary names for files and folders being written. They are hidden, beside their destination on the same disk, and
 * name the process that writes them, so that the next one to write there can clear up after a killed one.
 */

const MACHINE = hostname().replace(/[^\w.]/g, '-');
const NAME = /^\..+\.p2p-(.+)-(\d+)-[0-9a-f]{8}$/;

/** A unique name beside `place`, for what will move there. */
export function temporaryBeside(place: string): string {
  return join(dirname(place), `.${basename(place)}.p2p-${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** Removes from a folder what processes of this machine that no longer run have left there. */
export async function clearAbandoned(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const abandoned = names.filter((name) => {
    const [, machine, pid] = NAME.exec(name) ?? [];
    return machine === MACHINE && !isRunning(Number(pid));
  });
  // Ignores what cannot be removed, which may be another user's.
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

/** Linux lists a process that has ended until its parent, or init in its place, has waited for it. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // Not Linux, or gone by now.
  }
}
