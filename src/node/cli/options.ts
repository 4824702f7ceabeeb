import type { Command } from 'commander';
import { Option } from 'commander';
import type { z } from 'zod';
import { BACKEND_CHOICES } from '../../backend/names';
import { decodeUtf8 } from '../../weights/utf8';
import { readBytes } from '../readBytes';
import { MAX_THREADS } from '../threads';
import { naming, UsageError } from './errors';
import type { OutputOptions } from './outputs';
import { choice, fraction, isRepeatable, size, whole } from './read';
import { generation, MAX_GRID, optionForms } from './settings';
import { withoutModels } from './settle';

/** Settings as given by the user on the command line or in a file. */
type Given = Readonly<Record<string, unknown>>;

/** What to record of the source, for later edits. */
export interface RecordManner {
  readonly record?: string;
  readonly recordExact?: boolean;
  readonly recordSelf?: number;
  readonly recordSelfSize?: number;
}

/** Options for how a command behaves, not for what it makes. */
export interface Manner extends OutputOptions, RecordManner {
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly threads?: number;
  /** In bytes. */
  readonly memory?: number;
}

/** Adds an option for each setting of the schema, in its order, and `--from`. */
export function addSettings(command: Command, schema: z.ZodObject): Command {
  return addOptions(command, schema).option(
    '--from <file>',
    'take the settings of an earlier run, such as its edit.json; other options override them',
  );
}

/** Gives the command an option for each setting of the schema, in the schema's order. */
export function addOptions(command: Command, schema: z.ZodObject): Command {
  for (const setting of Object.values(schema.shape) as z.ZodType[]) {
    const form = optionForms.get(setting);
    if (!form) continue;
    const option = new Option(form.flags, form.help + defaultOf(setting));
    if (form.read) option.argParser(form.read as (text: string, before: unknown) => unknown);
    command.addOption(option);
  }
  return command;
}

/**
 * Adds the options of {@link Manner}.
 *
 * @param makesPictures whether the command makes pictures, rather than inspecting or installing something
 */
export function addManner(command: Command, makesPictures: boolean): Command {
  if (makesPictures) {
    addThreads(command)
      .option(
        '--memory <size>',
        'memory limit, such as 6GB; a run that cannot fit is refused (default: all there is)',
        size,
      )
      .option('--out <dir>', `folder to write to (default: a new out/${command.name()}-<number>)`)
      .option('--tensors <file>', 'write noise, context, latents and image to a safetensors file')
      .option('--force', 'replace what is there already');
  }
  return command
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print one JSON object on stdout instead of text');
}

/** Adds the option for the number of threads. */
export function addThreads(command: Command): Command {
  return command.option(
    '--threads <n>',
    'threads to compute with; wasm uses at most 8 (default: all cores)',
    whole(1, MAX_THREADS),
  );
}

/** Adds the option for the backend, for a command that has no setting for it. */
export function addBackend(command: Command): Command {
  const { flags, help } = optionForms.get(generation.backend)!;
  return command.option(flags, help, choice(BACKEND_CHOICES));
}

/** Makes the command refuse options given twice, of which the last would win, unless each adds to the others. */
export function refuseRepeated(command: Command): void {
  command.commands.forEach(refuseRepeated);
  for (const option of command.options) {
    if (!option.required || isRepeatable(option.parseArg)) continue; // A flag says the same twice.
    let given = 0;
    command.on(`option:${option.name()}`, () => {
      if (++given > 1) command.error(`error: option '${option.flags}' is given ${given} times: give it once.`);
    });
  }
}

/** Adds the options for recording a run's source. */
export function addRecord(command: Command): Command {
  return command
    .option('--record <file>', 'write what further edits of this picture need, for p2p edit --recording')
    .option('--record-exact', 'record in float32: twice the size, nothing rounded')
    .option(
      '--record-self <f>',
      'record self-attention for this share of the steps, from the first (default: what edits take)',
      fraction,
    )
    .option(
      '--record-self-size <n>',
      "record self-attention at grids of up to n x n (default: from the latents' size)",
      whole(1, MAX_GRID),
    );
}

/**
 * The settings, in increasing precedence: the schema's defaults, those of a recording, those of the `--from` file, and
 * the options on the command line.
 *
 * @param options as parsed by commander
 * @throws UsageError naming the option, or the file and its field; CheckpointError or RecordingError if the recording
 *   is invalid
 */
export async function settingsFrom<T extends z.ZodObject>(schema: T, options: Given): Promise<z.output<T>> {
  const { from } = options as { from?: string };
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .filter((key) => options[key] !== undefined)
      .map((key) => [key, options[key]]),
  );
  const file = from === undefined ? {} : settingsIn(await readSettings(from), given);
  const { recording } = { ...file, ...given };
  const recorded = typeof recording === 'string' ? await recordedIn(recording, { ...file, ...given }) : {};
  const { success, data, error } = schema.safeParse({ ...recorded, ...file, ...given });
  if (success) return data;
  const sources = { given, file, from, recorded, recording };
  throw new UsageError(error.issues.map((issue) => complaint(issue, schema, sources)).join('\nerror: '));
}

/**
 * The settings of a file, without its model's own if another model is given; options given override the model's own.
 */
function settingsIn(file: Given, given: Given): Given {
  if (given.model !== undefined && given.model !== file.model) return withoutModels(file);
  const { fromModel } = file;
  return Array.isArray(fromModel) ? { ...file, fromModel: fromModel.filter((name) => !(name in given)) } : file;
}

/** The settings of a recording's run. @param asked the settings given beside it */
async function recordedIn(path: string, asked: Given): Promise<Given> {
  const { checkAsked, openRecording, recordedSettings } = require('./recording') as typeof import('./recording');
  const recording = await openRecording(path);
  checkAsked(recording, asked);
  return recordedSettings(recording);
}

async function readSettings(file: string): Promise<Given> {
  let settings: unknown;
  const text = decodeUtf8(await naming('--from', () => readBytes(file)));
  if (text === undefined) throw new UsageError(`--from ${file} is not JSON: it is not UTF-8 text.`);
  try {
    settings = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new UsageError(`--from ${file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw new UsageError(`--from ${file}: expected an object of settings.`);
  return settings as Given;
}

/** Where settings came from: the command line, the `--from` file, a recording. */
interface Sources {
  readonly given: Given;
  readonly file: Given;
  readonly from?: string;
  readonly recorded: Given;
  readonly recording: unknown;
}

function complaint(
  issue: z.core.$ZodIssue,
  schema: z.ZodObject,
  { given, file, from, recorded, recording }: Sources,
): string {
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => [...issue.path, key].join('.')).join(', ');
    const known = issue.path.length === 0 ? `; the settings are ${Object.keys(schema.shape).join(', ')}` : '';
    return `${from}: there is no setting ${keys}${known}.`;
  }
  const key = String(issue.path[0]);
  const flag = optionForms.get(schema.shape[key] as z.ZodType)?.flags.split(' ')[0] ?? key;
  if (key in given) return `${[flag, ...issue.path.slice(1).map(counted)].join(' ')}: ${issue.message}.`;
  if (key in file) return `${from}: ${issue.path.join('.')}: ${issue.message}.`;
  if (key in recorded) return `${recording}: ${issue.path.join('.')}: ${issue.message}.`;
  return `${flag} is missing.`;
}

/** Of several values of an option, the first is 1: so are the edits of several targets counted. */
function counted(at: PropertyKey): string {
  return typeof at === 'number' ? String(at + 1) : String(at);
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
