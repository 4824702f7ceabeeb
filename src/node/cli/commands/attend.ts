import type { Command } from 'commander';
import type { Manner } from '../options';
import { addManner, addSettings, settingsFrom } from '../options';
import { attendSettings } from '../settings';

export function defineAttend(command: Command): void {
  addManner(addSettings(command, attendSettings), true)
    .addHelpText(
      'after',
      `
Examples:
  p2p attend --prompt "a cat riding a bicycle in a meadow"
  p2p attend --image photo.jpg --prompt "a cat riding a bicycle"     # does the prompt fit the picture?`,
    )
    .action(async (options: Manner) => {
      const { attend } = require('../attend') as typeof import('../attend');
      await attend(await settingsFrom(attendSettings, { ...options }), options);
    });
}
