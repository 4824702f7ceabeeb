import type { Command } from 'commander';
import type { Manner } from '../options';
import { addManner, addRecord, addSettings, settingsFrom } from '../options';
import { generateSettings } from '../settings';

export function defineGenerate(command: Command): void {
  addRecord(addManner(addSettings(command, generateSettings), true))
    .addHelpText(
      'after',
      `
Example:
  p2p generate --prompt "a panda driving a car on a snowy street" --seed 3`,
    )
    .action(async (options: Manner) => {
      const { generate } = require('../generate') as typeof import('../generate');
      await generate(await settingsFrom(generateSettings, { ...options }), options);
    });
}
