import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface InstalledPackage {
  readonly folder: string;
  readonly version: string;
}

/** Finds an optional package, from the user's project, then from this package; undefined if it is not installed. */
export function installedPackage(name: string): InstalledPackage | undefined {
  try {
    const folder = dirname(require.resolve(`${name}/package.json`, { paths: [process.cwd(), __dirname] }));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { folder, version };
  } catch {
    return undefined;
  }
}
