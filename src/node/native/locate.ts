import { join } from 'node:path';
import { BackendError } from '../../backend/backendInfo';
import { installedPackage } from '../installedPackage';
import { nativeStatus } from './install';
import { addonFile } from './load';

const PACKAGES = { node: '@tensorflow/tfjs-node', 'node-gpu': '@tensorflow/tfjs-node-gpu' } as const;
const KINDS = { node: 'cpu', 'node-gpu': 'gpu' } as const;

export interface NativePackage {
  readonly folder: string;
  /** The hash of the native/ sources compiled into its addon, if any; they are for the CPU. */
  readonly operations?: string;
}

/**
 * Locates tfjs-node: the package that the user installed, if it has its addon, else what `p2p native install` built.
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
    `The backend ${name} is not installed: ${reason} Get it with: p2p native install${name === 'node-gpu' ? ' --gpu' : ''}`,
  );
}
