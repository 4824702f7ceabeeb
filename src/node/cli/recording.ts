import type { Command } from 'commander';
import { isDuring, type StepRange } from '../../edits/prompt-to-prompt/schedule';
import { RecordingError } from '../../recording/description';
import type { RecordOptions } from '../../recording/recorder';
import { Recording } from '../../recording/recording';
import { settingsIn } from '../../recording/settings';
import { fileBytes } from '../fileSource';
import { UsageError } from './errors';
import { number } from './read';

/** What is to be kept of the source, for later edits. */
export interface RecordManner {
  readonly record?: string;
  readonly recordExact?: boolean;
  readonly recordSelf?: number;
  readonly recordSelfSize?: number;
}

export function addRecord(command: Command): Command {
  return command
    .option('--record <file>', 'write what further edits of this picture need: see p2p edit --recording')
    .option('--record-exact', 'in float32: twice the size, nothing rounded')
    .option(
      '--record-self <f>',
      'self-attention of this share of the steps, from the first one on (default: 0.4)',
      number,
    )
    .option('--record-self-size <n>', 'and of grids of up to n x n (default: by the size of the latents)', number);
}

/**
 * How much is to be kept, if no more was asked for: what selfInjection takes unless told, and what the command itself
 * takes.
 *
 * @throws UsageError for a share that is none
 */
export function recordOptions(
  { recordExact: exact, recordSelf, recordSelfSize }: RecordManner,
  self: StepRange,
  selfSize?: number,
): Omit<RecordOptions, 'to'> {
  if (recordSelf !== undefined && !(recordSelf >= 0 && recordSelf <= 1))
    throw new UsageError(`--record-self ${recordSelf}: Expected a fraction from 0 to 1.`);
  const size = recordSelfSize ?? selfSize;
  return {
    exact,
    self: recordSelf ?? Math.max(0.4, typeof self === 'number' ? self : self[1]),
    maxQueries: size && size ** 2,
  };
}

/** @throws UsageError if there is no such file; CheckpointError or RecordingError if it is no recording */
export async function openRecording(file: string): Promise<Recording> {
  const bytes = await fileBytes(file).catch((error: Error) => {
    throw new UsageError(`--recording ${file} cannot be read: ${error.message}`);
  });
  return Recording.open(bytes);
}

/** A recording's settings, by the names of the command's. */
export function recordedSettings({ settings, description }: Recording): Record<string, unknown> {
  const { prompt: source, negative, seed, steps, guidance, sampler, height, width } = settings;
  return {
    ...(description.model.name === undefined ? {} : { model: description.model.name }),
    source,
    negative,
    seed: Number(seed),
    steps,
    guidance,
    sampler,
    height,
    width,
  };
}

/**
 * @param asked for on the command line or in a file @throws UsageError that names each setting that was recorded
 * otherwise
 */
export function checkAsked(recording: Recording, { source, ...asked }: { readonly source?: string }): void {
  try {
    recording.checkSettings(settingsIn(source === undefined ? [] : [source], asked));
  } catch (error) {
    throw error instanceof RecordingError ? new UsageError(`--recording: ${error.message}`) : error;
  }
}

/** @throws UsageError if an edit takes self-attention at steps of which the recording has none */
export function checkSelf({ name, description, settings: { steps } }: Recording, self: StepRange): void {
  const {
    self: { steps: recorded },
  } = description;
  const needed = Array.from({ length: steps }, (_, step) => (isDuring(self, step, steps) ? step + 1 : 0)).reduce(
    (a, b) => Math.max(a, b),
  );
  if (needed <= recorded) return;
  const share = typeof self === 'number' ? self : self.join('-');
  throw new UsageError(
    `--self ${share}: ${name} has the source's self-attention of the first ${recorded} of ${steps} steps, and ${needed} are needed. Record more of it, by --record-self.`,
  );
}
