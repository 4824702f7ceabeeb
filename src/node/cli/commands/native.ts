import type { Command } from 'commander';
import type { InstallManner } from '../native';
import type { Manner } from '../options';
import { addManner } from '../options';

export function defineNative(command: Command): void {
  const work = () => require('../native') as typeof import('../native');
  addManner(command.command('install'), false)
    .description('Build them against a TensorFlow wheel, into your cache folder.')
    .option('--gpu', 'for CUDA')
    .option('--tensorflow <version>', "TensorFlow's version; by default the newest that was tried")
    .option('--wheel <file>', 'a TensorFlow wheel that is here already')
    .action(async (manner: InstallManner) => work().install(manner));
  addManner(command.command('status'), false)
    .description('Say what is installed.')
    .action(async (manner: Manner) => work().status(manner));
  addManner(command.command('remove'), false)
    .description('Remove it again.')
    .action(async (manner: Manner) => work().remove(manner));
}
