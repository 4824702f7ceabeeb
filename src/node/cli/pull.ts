import { checkHubName, checkRevision } from '../hub/cache';
import { pull as pullModel } from '../hub/pull';
import { naming } from './errors';
import type { Manner } from './options';
import { Progress } from './progress';
import { stopSignal } from './supervised';

export interface PullManner extends Manner {
  readonly revision?: string;
  readonly variant?: string;
}

/** Downloads a model and says where it is. */
export async function pull(name: string, { revision, variant, quiet, json }: PullManner): Promise<void> {
  naming('<name>', () => checkHubName(name));
  if (revision !== undefined) naming('--revision', () => checkRevision(revision));
  const progress = new Progress(quiet);
  try {
    const folder = await pullModel(name, {
      revision,
      variant,
      signal: stopSignal,
      onProgress: ({ loaded, total }) =>
        progress.show('Downloading', Math.round(loaded / 1e6), Math.round(total / 1e6), 'MB'),
    });
    if (json) process.stdout.write(`${JSON.stringify({ command: 'pull', name, folder }, undefined, 2)}\n`);
    else if (!quiet)
      process.stdout.write(`${name} is in ${folder}\nUse it by its name: p2p edit --model ${name} ...\n`);
  } finally {
    progress.stop();
  }
}
