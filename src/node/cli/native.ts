import type { NativeStatus } from '../native/install';
import { checkWheel, installNative, nativeStatus, removeNative } from '../native/install';
import { checkTensorFlow } from '../native/versions';
import { naming, UsageError } from './errors';
import type { Manner } from './options';

export interface InstallManner extends Manner {
  readonly gpu?: boolean;
  readonly tensorflow?: string;
  readonly wheel?: string;
}

/** Builds the native backend. @throws UsageError naming an option that is not one of those tested; BackendError */
export async function install({ gpu, tensorflow, wheel, ...manner }: InstallManner): Promise<void> {
  if (tensorflow !== undefined) naming('--tensorflow', () => checkTensorFlow(tensorflow));
  const kind = wheel === undefined ? undefined : naming('--wheel', () => checkWheel(wheel)).kind;
  if (gpu && kind === 'cpu') throw new UsageError(`--gpu: ${wheel} is for the CPU. Give a wheel of tensorflow for it.`);
  const onProgress = (doing: string): void => void (manner.quiet || process.stderr.write(`${doing} ...\n`));
  tell(manner, await installNative({ gpu, tensorflow, wheel, onProgress }));
}

/** Says which native backend is installed. */
export async function status(manner: Manner): Promise<void> {
  tell(manner, await nativeStatus());
}

/** Removes the native backend. */
export async function remove(manner: Manner): Promise<void> {
  const removed = await removeNative();
  print(manner, { removed }, removed ? 'Removed.' : 'There was nothing to remove.');
}

function tell(manner: Manner, status?: NativeStatus): void {
  print(
    manner,
    { installed: status ?? null },
    status
      ? `TensorFlow ${status.tensorflow} (${status.kind}) for tfjs-node ${status.tfjsNode}, in ${status.folder}`
      : 'Not installed: p2p native install builds it.',
  );
}

function print({ json, quiet }: Manner, object: object, text: string): void {
  if (json) process.stdout.write(`${JSON.stringify({ command: 'native', ...object }, undefined, 2)}\n`);
  else if (!quiet) process.stdout.write(`${text}\n`);
}
