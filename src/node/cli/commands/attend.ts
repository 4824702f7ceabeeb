import type { Command } from 'commander';
import type { Manner } from '../options';
import { addManner, addSettings, settingsFrom } from '../options';
import { generateSettings } from '../settings';

export function defineAttend(command: Command): void {
  addManner(addSettings(command, generateSettings), true)
    .addHelpText(
      'after',
      `
Example:
  p2p attend --prompt "a cat riding a bicycle in a meadow"`,
    )
    .action(async (options: Manner) => {
      const { attend } = require('../attend') as typeof import('../attend');
      await attend(await settingsFrom(generateSettings, { ...options }), options);
    });
}
