import { z } from 'zod';
import { MAX_GUIDANCE } from '../guidance/maxGuidance';

/**
 * A file that is not a recording, or that is of another run than requested. The message names the file and what
 * differs.
 */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

/** What the source's run depends on: a run from its recording must have the same settings. */
const settingsSchema = z.strictObject({
  prompt: z.string(),
  negative: z.string(),
  /** A whole number from -2^63 to 2^64 - 1, which may be too large for a number in JSON. */
  seed: z.string().regex(/^-?\d{1,20}$/),
  steps: z.int().positive(),
  /** The scale of classifier-free guidance, or the names of guidances of other kinds. */
  guidance: z.number().or(z.string()),
  /** The scale above which guidance was projected. */
  projectAbove: z.number().default(MAX_GUIDANCE),
  sampler: z.string(),
  eta: z.number(),
  /** If null, the checkpoint's setting. */
  karras: z.boolean().nullable(),
  /** In pixels. */
  height: z.int().positive(),
  width: z.int().positive(),
});
export type RecordedSettings = z.output<typeof settingsSchema>;

const descriptionSchema = z.strictObject({
  version: z.literal(4),
  settings: settingsSchema,
  /** The method by which the source's picture was inverted, if it was. */
  inversion: z.string().optional(),
  model: z.strictObject({
    /** For people to read; the fingerprints identify the model. */
    name: z.string().optional(),
    text_encoder: z.string(),
    unet: z.string(),
    scheduler: z.string(),
  }),
  /**
   * The self-attention that was kept: of the first `steps` steps, at grids of at most `maxQueries` queries. This counts
   * queries instead of giving a side because the default grid has the latents' aspect ratio, which need not be square.
   */
  self: z.strictObject({ steps: z.int().nonnegative(), maxQueries: z.int().nonnegative() }),
  exact: z.boolean(),
});
/** A recording's description of itself. */
export type RecordingDescription = z.output<typeof descriptionSchema>;

/** The key in the safetensors file's metadata that holds the description, as JSON. */
const KEY = 'prompt-to-prompt-recording';

export function toMetadata(description: RecordingDescription): Record<string, string> {
  return { [KEY]: JSON.stringify(description) };
}

/** @throws RecordingError if there is no description, or this version cannot read it */
export function fromMetadata(metadata: ReadonlyMap<string, string>, file: string): RecordingDescription {
  const text = metadata.get(KEY);
  if (text === undefined)
    throw new RecordingError(
      `${file} is a safetensors file, but not a recording of a run. A run writes one if its option \`record\` is set.`,
    );
  const { success, data, error } = descriptionSchema.safeParse(parsed(text));
  if (success) return data;
  const problems = error.issues.map(({ path, message }) => [...path, message].join(': '));
  throw new RecordingError(
    `${file} is a recording that this version cannot read (${problems.join('; ')}). Record the run again.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Each requested setting that differs from the recorded one, such as "recorded with seed 8888, asked for 1". */
export function differences(recorded: RecordedSettings, asked: Partial<RecordedSettings>): string[] {
  return (Object.keys(asked) as (keyof RecordedSettings)[])
    .filter((name) => asked[name] !== recorded[name])
    .map((name) => `recorded with ${name} ${show(recorded[name])}, asked for ${show(asked[name])}`);
}

function show(value: unknown): string {
  if (value === null) return 'as the checkpoint has it';
  return typeof value === 'string' && !/^\d+$/.test(value) ? JSON.stringify(value) : String(value);
}
