import type { Command } from 'commander';
import type { Manner } from '../options';
import { addBackend, addManner, addThreads } from '../options';

export function defineDemo(command: Command): void {
  addThreads(addBackend(addManner(command, false))).action(
    async ({ backend, ...manner }: Manner & { backend?: string }) => {
      const { demo } = require('../demo') as typeof import('../demo');
      await demo(backend, { ...manner, out: 'out/demo', force: true });
    },
  );
}
