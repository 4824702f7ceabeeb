import type { Command } from 'commander';
import type { NativeStatus } from '../native/install';
import { installNative, nativeStatus, removeNative } from '../native/install';
import type { Manner } from './options';
import { addManner } from './options';

interface InstallOptions extends Manner {
  readonly gpu?: boolean;
  readonly tensorflow?: string;
  readonly wheel?: string;
}

export function addNative(program: Command): void {
  const native = program
    .command('native')
    .description(
      "Build TensorFlow's own kernels for this machine (the backends node and node-gpu): several times as fast as wasm.",
    );
  addManner(native.command('install'), false)
    .description('Build them against a TensorFlow wheel, into your cache folder.')
    .option('--gpu', 'for CUDA')
    .option('--tensorflow <version>', "TensorFlow's version; by default the newest that was tried")
    .option('--wheel <file>', 'a TensorFlow wheel that is here already')
    .action(async ({ gpu, tensorflow, wheel, ...manner }: InstallOptions) => {
      const onProgress = (doing: string): void => void (manner.quiet || process.stderr.write(`${doing} ...\n`));
      tell(manner, await installNative({ gpu, tensorflow, wheel, onProgress }));
    });
  addManner(native.command('status'), false)
    .description('Say what is installed.')
    .action(async (manner: Manner) => tell(manner, await nativeStatus()));
  addManner(native.command('remove'), false)
    .description('Remove it again.')
    .action(async (manner: Manner) => {
      const removed = await removeNative();
      print(manner, { removed }, removed ? 'Removed.' : 'There was nothing to remove.');
    });
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
