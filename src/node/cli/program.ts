import { Command, CommanderError } from 'commander';
import { UnfitError } from '../../errors';
import { Interrupted, UsageError } from './errors';
import { version } from './version';

/** The process's exit codes. A run stopped by a signal exits with 128 + the signal's number, set by its supervisor. */
const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** A command's entry, which loads only what the list of commands needs. */
interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** Adds its arguments, options and action; loads neither TensorFlow.js nor anything that needs it until it is run. */
  readonly define: (command: Command) => void;
  /** Set if it computes or downloads, and so runs under {@link supervise}: what to say is left when it is stopped. */
  readonly aftermath?: string;
}

const NOTHING = 'Nothing was written.';

/** @internal */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'edit',
    description:
      'Edit a picture by editing its prompt. Shows the source, each edit, and each target without Prompt-to-Prompt.',
    define: (command) => (require('./commands/edit') as typeof import('./commands/edit')).defineEdit(command),
    aftermath: NOTHING,
  },
  {
    name: 'invert',
    description: 'Take a picture of your own to noise and record what its edits need, for p2p edit --recording.',
    define: (command) => (require('./commands/invert') as typeof import('./commands/invert')).defineInvert(command),
    aftermath: 'Nothing was written; what null-text inversion has found is kept beside the file for the next try.',
  },
  {
    name: 'generate',
    description: 'Make a picture from a prompt.',
    define: (command) =>
      (require('./commands/generate') as typeof import('./commands/generate')).defineGenerate(command),
    aftermath: NOTHING,
  },
  {
    name: 'attend',
    description: 'Make a picture from a prompt and show where each word looks, as heat maps over the picture.',
    define: (command) => (require('./commands/attend') as typeof import('./commands/attend')).defineAttend(command),
    aftermath: NOTHING,
  },
  {
    name: 'demo',
    description:
      'Make a sheet of edits with the embedded model: what Prompt-to-Prompt does, in about a minute. Writes out/demo.',
    define: (command) => (require('./commands/demo') as typeof import('./commands/demo')).defineDemo(command),
    aftermath: NOTHING,
  },
  {
    name: 'studio',
    description: 'Serve the studio: a page to edit pictures and see where words look. The model runs in the browser.',
    define: (command) => (require('./commands/studio') as typeof import('./commands/studio')).defineStudio(command),
  },
  {
    name: 'evaluate',
    description: "Edit the pictures of the field's benchmark, PIE-Bench, and measure the edits as its script does.",
    define: (command) =>
      (require('./commands/evaluate') as typeof import('./commands/evaluate')).defineEvaluate(command),
    aftermath: 'What was measured is kept: the same command continues from there.',
  },
  {
    name: 'info',
    description: 'Describe a model: its size, its attention layers, and what an edit with it costs. Loads no weights.',
    define: (command) => (require('./commands/info') as typeof import('./commands/info')).defineInfo(command),
  },
  {
    name: 'pull',
    description:
      "Download a model from the Hugging Face hub into the hub's own cache: only what is needed, checked, and resumable.",
    define: (command) => (require('./commands/pull') as typeof import('./commands/pull')).definePull(command),
    aftermath: 'The next pull continues from there.',
  },
  {
    name: 'backends',
    description: 'List the backends on this machine, how fast they are, and which one a model would run on.',
    define: (command) =>
      (require('./commands/backends') as typeof import('./commands/backends')).defineBackends(command),
    aftermath: '',
  },
  {
    name: 'native',
    description:
      "Build TensorFlow's own kernels for this machine (the backends node and node-gpu): several times as fast as wasm.",
    define: (command) => (require('./commands/native') as typeof import('./commands/native')).defineNative(command),
  },
];

/** The aftermath of a command line that must run under {@link supervise}, else undefined. */
export function supervisedCommand([, , name, ...args]: readonly string[]): string | undefined {
  if (args.includes('--help') || args.includes('-h')) return undefined;
  return COMMANDS.find((command) => command.name === name)?.aftermath;
}

/** Runs a command line, reports its error if there is one, and sets the process's exit code. */
export function runCommandLine(argv: readonly string[]): void {
  surviveClosedOutput();
  perform(argv).then((code) => {
    process.exitCode ||= code;
  });
}

/** @internal The program with all commands; those named in the arguments are defined, the others only listed. */
export function program(args: readonly string[]): Command {
  const p2p = new Command('p2p')
    .description('Prompt-to-Prompt: edit a picture by editing its prompt.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(add --help to see what is available)')
    .configureHelp({
      helpWidth: Math.min(process.stdout.columns ?? 100, 110),
      subcommandTerm: (command) => command.name(),
    });
  for (const { name, description, define } of COMMANDS) {
    const command = p2p.command(name).description(description);
    if (!args.includes(name)) continue;
    define(command);
    (require('./options') as typeof import('./options')).refuseRepeated(command);
  }
  return p2p;
}

async function perform(argv: readonly string[]): Promise<number> {
  try {
    await program(argv.slice(2)).parseAsync(argv);
    return EXIT.done;
  } catch (error) {
    // commander has already printed its own errors, and showing help is not an error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof Interrupted)) process.stderr.write(`error: ${(error as Error).message}\n`);
    return error instanceof UsageError || error instanceof UnfitError ? EXIT.usage : EXIT.failed;
  }
}

/** A reader that has closed the pipe (`p2p ... | head`) is not an error; output that cannot be written is. */
function surviveClosedOutput(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    process.stderr.write(`error: The standard output cannot be written: ${error.message}\n`);
    process.exitCode = EXIT.failed;
  });
}
