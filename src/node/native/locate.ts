import { join } from 'node:path';
import { BackendError } from '../../backend/backendInfo';
import { installedPackage } from '../installedPackage';
import { nativeStatus } from './install';
import { addonFile } from './load';

const PACKAGES = { node: '@tensorflow/tfjs-node', 'node-gpu': '@tensorflow/tfjs-node-gpu' } as const;
const KINDS = { node: 'cpu', 'node-gpu': 'gpu' } as const;

export interface NativePackage {
  readonly folder: string;
  /** Which version of native/ its addon has for the processor, if any. */
  readonly operations?: string;
}

/**
 * Where tfjs-node lies: the package that the user installed, if its addon is there, else what `p2p native install`
 * built.
 * @throws BackendError
 */
export async function locateNative(name: keyof typeof PACKAGES): Promise<NativePackage> {
  const own = installedPackage(PACKAGES[name]);
  if (own && addonFile(own.folder)) return { folder: own.folder };
  const built = await nativeStatus();
  if (built?.kind === KINDS[name])
    return { folder: join(built.folder, 'tfjs-node'), operations: built.kind === 'cpu' ? built.operations : undefined };
  const reason = own
    ? `${PACKAGES[name]} is in ${own.folder} without its addon, which its installation downloads.`
    : `${PACKAGES[name]} is not installed.`;
  throw new BackendError(
    `The backend ${name} is not there: ${reason} Get it with: p2p native install${name === 'node-gpu' ? ' --gpu' : ''}`,
  );
}
