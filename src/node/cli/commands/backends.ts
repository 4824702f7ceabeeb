import type { Command } from 'commander';
import { EMBEDDED } from '../../embedded';
import type { Manner } from '../options';
import { addManner } from '../options';

export function defineBackends(command: Command): void {
  addManner(command, false)
    .argument('[model]', 'the model to choose a backend for', EMBEDDED)
    .action(async (model: string, manner: Manner) => {
      const { backends } = require('../backends') as typeof import('../backends');
      await backends(model, manner);
    });
}
