import { isDuring, type StepRange } from '../../edits/prompt-to-prompt/schedule';
import { RecordingError } from '../../recording/description';
import type { RecordOptions } from '../../recording/recorder';
import { Recording } from '../../recording/recording';
import { settingsIn } from '../../recording/settings';
import { fileBytes } from '../fileSource';
import { naming, UsageError } from './errors';
import type { RecordManner } from './options';

/**
 * How much to record.
 *
 * @param self the default share of the steps whose self-attention is kept
 * @param selfSize the default side of the largest grid to keep
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

/** @throws UsageError if there is no such file; CheckpointError or RecordingError if it is not a recording */
export async function openRecording(file: string): Promise<Recording> {
  return Recording.open(await naming('--recording', () => fileBytes(file)));
}

/** A recording's settings, under the command's names for them. */
export function recordedSettings({ settings, description }: Recording): Record<string, unknown> {
  const { prompt: source, negative, seed, steps, guidance, projectAbove, sampler, height, width } = settings;
  return {
    ...(description.model.name === undefined ? {} : { model: description.model.name }),
    source,
    negative,
    seed,
    steps,
    guidance,
    projectAbove,
    sampler,
    height,
    width,
  };
}

/**
 * @param asked the settings given on the command line or in a file
 * @throws UsageError naming each setting that differs from the recorded one
 */
export function checkAsked(recording: Recording, { source, ...asked }: { readonly source?: string }): void {
  try {
    recording.checkSettings(settingsIn(source === undefined ? [] : [source], asked));
  } catch (error) {
    throw error instanceof RecordingError ? new UsageError(`--recording: ${error.message}`) : error;
  }
}

/** @throws UsageError if an edit takes self-attention at steps for which the recording has none */
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
