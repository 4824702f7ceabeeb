import type { Command } from 'commander';
import type { Manner } from '../options';
import { addManner, addSettings, settingsFrom } from '../options';
import { invertSettings } from '../settings';

export function defineInvert(command: Command): void {
  addManner(addSettings(command.argument('<image>', 'PNG, JPEG, WebP, AVIF or GIF'), invertSettings), true)
    .requiredOption('--to <file>', 'the recording to write, for p2p edit --recording')
    .addHelpText(
      'after',
      `
Examples:
  p2p invert photo.jpg --prompt "a cat riding a bicycle" --to photo.recording
  p2p edit --recording photo.recording --target "a dog riding a bicycle"`,
    )
    .action(async (image: string, options: Manner & { readonly to: string }) => {
      const { invert } = require('../invert') as typeof import('../invert');
      await invert(await settingsFrom(invertSettings, { ...options, image }), options);
    });
}
