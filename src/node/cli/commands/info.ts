import type { Command } from 'commander';
import { EMBEDDED } from '../../embedded';
import type { Manner } from '../options';
import { addManner, addOptions, settingsFrom } from '../options';
import { openSettings } from '../settings';

export function defineInfo(command: Command): void {
  addManner(addOptions(command, openSettings), false)
    .argument(
      '[model]',
      'a folder in the diffusers layout, a single .safetensors file, or the name of a pulled model',
      EMBEDDED,
    )
    .action(async (model: string, manner: Manner) => {
      const { info } = require('../info') as typeof import('../info');
      await info(model, await settingsFrom(openSettings, { ...manner }), manner);
    });
}
