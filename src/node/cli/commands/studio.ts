import type { Command } from 'commander';
import { EMBEDDED } from '../../embedded';
import { whole } from '../read';
import type { StudioManner } from '../studio';

export function defineStudio(command: Command): void {
  command
    .option('--model <folder>', 'the model to open it with: a folder in the diffusers layout', EMBEDDED)
    .option('--host <address>', 'the address to listen at', '127.0.0.1')
    .option('--port <n>', 'the port to listen at; 0 for any that is free', whole(0, 65535), 8080)
    .option(
      '--write <folder>',
      'write the page with the model to a folder that any web server can serve, instead of serving it',
    )
    .action(async (manner: StudioManner) => {
      const { studio } = require('../studio') as typeof import('../studio');
      await studio(manner);
    });
}
