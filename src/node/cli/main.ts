#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addAttend } from './attend';
import { addBackends } from './backends';
import { addDemo } from './demo';
import { addEdit } from './edit';
import { Interrupted, UsageError } from './errors';
import { addGenerate } from './generate';
import { addInfo } from './info';
import { addNative } from './native';
import { addPull } from './pull';
import { version } from './run';
import { addStudio } from './studio';

/** What the process ends with. */
const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

function program(): Command {
  const p2p = new Command('p2p')
    .description('Prompt-to-Prompt: edit a picture by editing its prompt.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(add --help for what there is)')
    .configureHelp({
      helpWidth: Math.min(process.stdout.columns ?? 100, 110),
      subcommandTerm: (command) => command.name(),
    });
  [addEdit, addGenerate, addAttend, addDemo, addStudio, addInfo, addPull, addBackends, addNative].forEach((add) =>
    add(p2p),
  );
  return p2p;
}

/** Runs a command line and says what was wrong with it. @returns the exit code */
async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv);
    return EXIT.done;
  } catch (error) {
    // commander has printed its own errors, and its help is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { message } = error as Error;
    process.stderr.write(error instanceof Interrupted ? `${message}\n` : `error: ${message}\n`);
    if (error instanceof Interrupted) return EXIT.interrupted;
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

main(process.argv).then((code) => {
  process.exitCode = code;
});
