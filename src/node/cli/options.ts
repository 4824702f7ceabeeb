import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { z } from 'zod';
import { UsageError } from './errors';
import type { OutputOptions } from './outputs';
import { number, size } from './read';
import { checkAsked, openRecording, type RecordManner, recordedSettings } from './recording';
import { optionForms } from './settings';

/** Settings as the user gave them: on the command line, or in a file. */
type Given = Readonly<Record<string, unknown>>;

/** What says how a command behaves, not what it makes. */
export interface Manner extends OutputOptions, RecordManner {
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly threads?: number;
  /** In bytes. */
  readonly memory?: number;
}

/** Gives the command an option for each setting of the schema, in the schema's order. */
export function addSettings(command: Command, schema: z.ZodObject): Command {
  for (const setting of Object.values(schema.shape) as z.ZodType[]) {
    const form = optionForms.get(setting);
    if (form)
      command.addOption(
        new Option(form.flags, form.help + defaultOf(setting)).argParser(
          form.read as (text: string, before: unknown) => unknown,
        ),
      );
  }
  return command.option(
    '--from <file>',
    'settings of an earlier run, such as its edit.json; options given beside it win',
  );
}

/** Gives the command the options of its manner. @param makesPictures as against what only looks or installs */
export function addManner(command: Command, makesPictures: boolean): Command {
  if (makesPictures) {
    command
      .option('--threads <n>', 'threads to compute with (default: all cores)', number)
      .option('--memory <size>', 'memory to keep to, such as 6GB; what cannot fit is refused (default: no limit)', size)
      .option('--out <dir>', `folder to write to (default: a fresh out/${command.name()}-<number>)`)
      .option('--tensors <file>', 'write noise, context, latents and image to a safetensors file')
      .option('--force', 'replace what is there already');
  }
  return command
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print one JSON object on stdout instead of text');
}

/**
 * The settings: the schema's defaults, under those of a recording, under the file given with `--from`, under the
 * options given beside it.
 *
 * @param options as commander has read them
 * @throws UsageError that names the option, or the file and its field; CheckpointError or RecordingError if the
 *   recording is none
 */
export async function settingsFrom<T extends z.ZodObject>(schema: T, options: Given): Promise<z.output<T>> {
  const { from } = options as { from?: string };
  const file = from === undefined ? {} : readSettings(from);
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .filter((key) => options[key] !== undefined)
      .map((key) => [key, options[key]]),
  );
  const { recording: path } = { ...file, ...given };
  const recording = typeof path === 'string' ? await openRecording(path) : undefined;
  if (recording) checkAsked(recording, { ...file, ...given });
  const { success, data, error } = schema.safeParse({
    ...(recording && recordedSettings(recording)),
    ...file,
    ...given,
  });
  if (success) return data;
  throw new UsageError(error.issues.map((issue) => complaint(issue, schema, given, file, from)).join('\nerror: '));
}

function readSettings(file: string): Given {
  let settings: unknown;
  try {
    settings = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(
      error instanceof SyntaxError
        ? `--from ${file} is not JSON: ${error.message}`
        : `--from ${file} cannot be read: ${(error as Error).message}`,
    );
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw new UsageError(`--from ${file}: expected an object of settings.`);
  return settings as Given;
}

function complaint(issue: z.core.$ZodIssue, schema: z.ZodObject, given: Given, file: Given, from?: string): string {
  if (issue.code === 'unrecognized_keys') {
    return `${from}: there is no setting ${issue.keys.join(', ')}; the settings are ${Object.keys(schema.shape).join(', ')}.`;
  }
  const key = String(issue.path[0]);
  const flag = optionForms.get(schema.shape[key] as z.ZodType)?.flags.split(' ')[0] ?? key;
  if (key in given) return `${[flag, ...issue.path.slice(1)].join(' ')}: ${issue.message}.`;
  if (key in file) return `${from}: ${issue.path.join('.')}: ${issue.message}.`;
  return `${flag} is missing.`;
}

function defaultOf(setting: z.ZodType): string {
  const { success, data } = setting.safeParse(undefined);
  const empty =
    !success ||
    data === undefined ||
    data === '' ||
    (typeof data === 'object' && Object.keys(data as object).length === 0);
  return empty ? '' : ` (default: ${String(data)})`;
}
