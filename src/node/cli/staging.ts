import { rmdirSync, rmSync } from 'node:fs';

/** Temporary storage of a run's output until it is done. */
export interface Staging {
  /** A hidden folder that moves to its destination at the end. */
  readonly path: string;
  /** Folders created for it, innermost first. */
  readonly created: readonly string[];
}

/** Removes it, and the folders created for it if they are empty. */
export function removeStaging({ path, created }: Staging): void {
  rmSync(path, { recursive: true, force: true });
  for (const folder of created) {
    try {
      rmdirSync(folder);
    } catch {
      return; // Not empty any more, or already gone.
    }
  }
}
