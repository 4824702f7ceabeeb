import type { Command } from 'commander';
import type { InstallManner } from '../native';
import type { Manner } from '../options';
import { addManner } from '../options';

export function defineNative(command: Command): void {
  const work = () => require('../native') as typeof import('../native');
  addManner(command.command('install'), false)
    .description('Build the kernels against a TensorFlow wheel, in your cache folder.')
    .option('--gpu', 'for CUDA')
    .option('--tensorflow <version>', "TensorFlow's version (default: the newest that was tried)")
    .option('--wheel <file>', 'a TensorFlow wheel on disk, instead of a download')
    .action(async (manner: InstallManner) => work().install(manner));
  addManner(command.command('status'), false)
    .description('Say what is installed.')
    .action(async (manner: Manner) => work().status(manner));
  addManner(command.command('remove'), false)
    .description('Remove it.')
    .action(async (manner: Manner) => work().remove(manner));
}
