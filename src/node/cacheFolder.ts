import { homedir } from 'node:os';
import { join } from 'node:path';

/** The cache folder of this program, by the platform's convention (on Linux `$XDG_CACHE_HOME`, else `~/.cache`). */
export function cacheFolder(): string {
  const base =
    process.env.XDG_CACHE_HOME ||
    {
      darwin: join(homedir(), 'Library', 'Caches'),
      win32: process.env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'),
    }[process.platform as string] ||
    join(homedir(), '.cache');
  return join(base, 'prompt-to-prompt-tfjs');
}
