import { isDuring, type StepRange } from '../../edits/prompt-to-prompt/schedule';
import { RecordingError } from '../../recording/description';
import type { RecordOptions } from '../../recording/recorder';
import { Recording } from '../../recording/recording';
import { settingsIn } from '../../recording/settings';
import { fileBytes } from '../fileSource';
import { UsageError } from './errors';
import type { RecordManner } from './options';

/**
 * How much is to be kept.
 *
 * @param self the share of the steps of which edits take self-attention, where none was asked for
 * @param selfSize up to which grid
 */
export function recordOptions(
  { recordExact: exact, recordSelf, recordSelfSize }: RecordManner,
  self: number,
  selfSize?: number,
): Omit<RecordOptions, 'to'> {
  return {
    exact,
    self: recordSelf ?? self,
    selfSize: recordSelfSize ?? selfSize,
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
    seed,
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
export function checkSelf({ name, description, length: steps }: Recording, self: StepRange): void {
  const {
    self: { steps: recorded },
  } = description;
  const needed = Array.from({ length: steps }, (_, step) => (isDuring(self, step, steps) ? step + 1 : 0)).reduce(
    (a, b) => Math.max(a, b),
  );
  if (needed <= recorded) return;
  const share = typeof self === 'number' ? self : self.join('-');
  throw new UsageError(
    `--self ${share}: ${name} has the source's self-attention of the first ${recorded} of ${steps} steps, and ${needed} are needed. Record more with --record-self.`,
  );
}
