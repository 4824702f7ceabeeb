import { z } from 'zod';
import { parseConfig } from './config';
import type { EditKind } from './edits/prompt-to-prompt/alignment';
import { AUTHORS_SHARES, forEachKind, type Shares, type SharesByKind } from './edits/prompt-to-prompt/shares';
import { SAMPLERS, type SamplerName } from './sampler/schedulers';
import type { Checkpoint } from './weights/checkpoint';

/**
 * A share of a run's steps: from the first one up to a fraction of them, or from one fraction to another. A schema of its
 * own each time, so that each can be registered for a setting.
 */
export function shareSchema() {
  const error = 'Expected a fraction from 0 to 1, or a range that rises: 0.2-0.8 as an option, [0.2, 0.8] in a file';
  const isFraction = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;
  const isRange = (value: unknown): boolean =>
    Array.isArray(value) && value.length === 2 && value.every(isFraction) && value[0] <= value[1];
  return z.custom<number | [number, number]>((value) => isFraction(value) || isRange(value), { error });
}

const sharesSchema = z.strictObject({
  cross: shareSchema().optional(),
  self: shareSchema().optional(),
  context: shareSchema().optional(),
});

/** Shares by kind of edit, any of which may be left out. */
export const sharesByKind = z.strictObject({
  replace: sharesSchema.optional(),
  redescribe: sharesSchema.optional(),
  refine: sharesSchema.optional(),
  reweight: sharesSchema.optional(),
});

const guidanceSchema = z.number().min(0).max(100);

/** What a checkpoint's `p2p.json` may say. */
const schema = z.object({
  guidance: guidanceSchema.optional(),
  steps: z.int().min(1).max(1000).optional(),
  sampler: z.enum(SAMPLERS).optional(),
  shares: sharesByKind.extend({ describing: z.array(z.string().toLowerCase()).optional() }).optional(),
  pictures: z.strictObject({ guidance: guidanceSchema.optional() }).optional(),
});

/** What a checkpoint itself says about how it is best used. */
export type StatedDefaults = z.output<typeof schema>;

/** How a run and an edit go where nobody says otherwise. */
export interface Defaults {
  readonly guidance: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  /** What each kind of edit takes of its source: for {@link promptToPrompt}. */
  readonly shares: SharesByKind;
  /**
   * What differs where a picture of one's own is edited: it was taken to noise without guidance, and edits may bear less
   * of it. Default: as for generated pictures.
   */
  readonly pictures: { readonly guidance: number };
  /** Those of the above that the checkpoint's own `p2p.json` states; the others are the authors'. */
  readonly stated: StatedDefaults;
}

/** The authors' own, for a checkpoint that states none: 50 steps of DDIM at guidance 7.5. */
export const AUTHORS_DEFAULTS: Defaults = {
  guidance: 7.5,
  steps: 50,
  sampler: 'ddim',
  shares: AUTHORS_SHARES,
  pictures: { guidance: 7.5 },
  stated: {},
};

/**
 * What suits a checkpoint: what its `p2p.json` states, and the authors' defaults for the rest.
 *
 * @throws ConfigError that names the file, the key and the value that is wrong
 */
export async function defaultsOf(checkpoint: Pick<Checkpoint, 'defaults'>): Promise<Defaults> {
  const config = await checkpoint.defaults();
  if (!config) return AUTHORS_DEFAULTS;
  const stated = parseConfig(schema, config.json, config.file);
  const { shares, pictures, ...run } = stated;
  const { guidance } = { ...AUTHORS_DEFAULTS, ...run };
  // A swap of words that describe is a swap.
  const sharesOf = (kind: EditKind): Shares => ({
    ...AUTHORS_SHARES[kind],
    ...(kind === 'redescribe' && shares?.replace),
    ...shares?.[kind],
  });
  return {
    ...AUTHORS_DEFAULTS,
    ...run,
    shares: { ...forEachKind(sharesOf), describing: shares?.describing },
    pictures: { guidance, ...pictures },
    stated,
  };
}
