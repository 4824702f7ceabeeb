import { longestSelf, type SharesByKind } from '../edits/prompt-to-prompt/shares';
import type { Companion } from '../session/companion';
import type { SessionOptions, SettledOptions } from '../session/options';
import type { RecordedSettings } from './description';
import { type FingerprintedModel, fingerprints } from './fingerprint';
import { Playback } from './playback';
import { type RecordedRun, Recorder, type RecordOptions } from './recorder';
import type { Recording } from './recording';
import { checkOwn, optionsFor, settingsIn } from './settings';

/** The model of a run that is recorded or made from a recording. */
export type RecordableModel = FingerprintedModel & {
  readonly vae: { readonly pixelsPerLatent: number };
  readonly defaults: { readonly shares: SharesByKind };
};

/**
 * The options of a run from a recording; those left out are taken from the recording.
 *
 * @throws RangeError if there is no target, or if `noise` or `record` is given; RecordingError if an option differs
 *   from what was recorded
 */
export function recordedOptions(
  recording: Recording,
  prompts: readonly string[],
  given: SessionOptions & { readonly record?: RecordOptions },
): SessionOptions {
  if (prompts.length < 2) throw new RangeError('A run from a recording needs a target prompt, after the source.');
  for (const name of ['noise', 'record'] as const)
    if (given[name]) throw new RangeError(`A run from a recording uses its source as recorded: leave out ${name}.`);
  recording.checkSettings(settingsIn(prompts, given));
  checkOwn(recording.settings, given, recording.name);
  return { ...optionsFor(recording.settings), ...given };
}

/** The companion of a run from a recording. @throws RecordingError if it was recorded with another model */
export async function playback(
  recording: Recording,
  model: RecordableModel,
  { sampler }: SettledOptions,
): Promise<Companion> {
  recording.checkModel(await fingerprints(model, sampler));
  return new Playback(recording);
}

/** The companion of a run to be recorded. */
export async function recorder(
  record: RecordOptions,
  model: RecordableModel,
  prompts: readonly string[],
  options: SettledOptions,
): Promise<Companion> {
  const embeddings = options.context?.unconditional;
  const edits = { ...options, ...record.inversion?.settings };
  const run: RecordedRun = {
    settings: { karras: null, ...settingsIn(prompts, edits) } as RecordedSettings,
    pixelsPerLatent: model.vae.pixelsPerLatent,
    model: await fingerprints(model, edits.sampler),
    embeddings: Array.isArray(embeddings) ? embeddings : undefined,
  };
  return new Recorder({ ...record, self: record.self ?? longestSelf(model.defaults.shares) }, run);
}
