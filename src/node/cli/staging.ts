import { rmdirSync, rmSync } from 'node:fs';

/** What a run keeps on disk until it is done. */
export interface Staging {
  /** A hidden folder that moves to its place at the end. */
  readonly path: string;
  /** Folders that were made for it, the innermost first. */
  readonly created: readonly string[];
}

/** Removes it, and the folders that were made for it where they are empty. */
export function removeStaging({ path, created }: Staging): void {
  rmSync(path, { recursive: true, force: true });
  for (const folder of created) {
    try {
      rmdirSync(folder);
    } catch {
      return; // It has come to hold something, or is gone.
    }
  }
}
