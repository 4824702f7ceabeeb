import type { Command } from 'commander';
import { pull } from '../hub/pull';
import { interruptible } from './interrupt';
import type { Manner } from './options';
import { addManner } from './options';
import { Progress } from './progress';

interface PullOptions extends Manner {
  readonly revision?: string;
  readonly variant?: string;
}

export function addPull(program: Command): void {
  addManner(program.command('pull'), false)
    .description(
      "Download a model from the hub into the hub's own cache: only what is needed, checked, and resumed where it broke off.",
    )
    .argument('<name>', 'such as stabilityai/stable-diffusion-2-1')
    .option('--revision <name>', 'a branch, tag or commit (default: main)')
    .option('--variant <name>', 'of the weights, such as fp16: half the size')
    .addHelpText(
      'after',
      `
The hub's own environment variables hold: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE.
A pull that was interrupted goes on where it ended.`,
    )
    .action(async (name: string, { revision, variant, quiet, json }: PullOptions) => {
      const progress = new Progress(quiet);
      try {
        const folder = await interruptible('The next pull goes on where this one ended.', (signal) =>
          pull(name, {
            revision,
            variant,
            signal,
            onProgress: ({ loaded, total }) =>
              progress.show('Downloading', Math.round(loaded / 1e6), Math.round(total / 1e6), 'MB'),
          }),
        );
        if (json) process.stdout.write(`${JSON.stringify({ command: 'pull', name, folder }, undefined, 2)}\n`);
        else if (!quiet)
          process.stdout.write(`${name} is in ${folder}\nUse it by its name: p2p edit --model ${name} ...\n`);
      } finally {
        progress.stop();
      }
    });
}
