import type { Command } from 'commander';
import { EMBEDDED } from '../../embedded';
import { whole } from '../read';
import type { StudioManner } from '../studio';

export function defineStudio(command: Command): void {
  command
    .option('--model <folder>', 'the model to start with: a folder in the diffusers layout', EMBEDDED)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option('--port <n>', 'the port to listen on; 0 for any free port', whole(0, 65535), 8080)
    .option(
      '--write <folder>',
      'instead of serving the page, write it and the model to a folder that any web server can serve',
    )
    .action(async (manner: StudioManner) => {
      const { studio } = require('../studio') as typeof import('../studio');
      await studio(manner);
    });
}
