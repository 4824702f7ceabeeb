import type { Command } from 'commander';
import type { Manner } from '../options';
import { addManner, addThreads } from '../options';

export function defineDemo(command: Command): void {
  addThreads(addManner(command, false))
    .option('--backend <name>', 'what to compute with, see p2p backends (default: the best available)')
    .action(async ({ backend, ...manner }: Manner & { backend?: string }) => {
      const { demo } = require('../demo') as typeof import('../demo');
      await demo(backend, { ...manner, out: 'out/demo', force: true });
    });
}
