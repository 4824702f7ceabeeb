import { z } from 'zod';
import { parseConfig } from './config';
import type { EditKind } from './edits/prompt-to-prompt/alignment';
import { AUTHORS_SHARES, mapEditKinds, type Shares, type SharesByKind } from './edits/prompt-to-prompt/shares';
import { MAX_GUIDANCE } from './guidance/maxGuidance';
import { SAMPLERS, type SamplerName } from './sampler/schedulers';
import type { Checkpoint } from './weights/checkpoint';

/**
 * A share of a run's steps: from the first one up to a fraction of them, or from one fraction to another. Returns a new
 * schema each time, so that each can be registered for a setting.
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

/** Shares by kind of edit, all optional. */
export const sharesByKind = z.strictObject({
  replace: sharesSchema.optional(),
  redescribe: sharesSchema.optional(),
  refine: sharesSchema.optional(),
  reweight: sharesSchema.optional(),
});

const guidanceSchema = z.number().min(0).max(MAX_GUIDANCE);

/** The contents of a checkpoint's `p2p.json`. */
const schema = z.object({
  guidance: guidanceSchema.optional(),
  projectAbove: guidanceSchema.optional(),
  steps: z.int().min(1).max(1000).optional(),
  sampler: z.enum(SAMPLERS).optional(),
  shares: sharesByKind.extend({ describing: z.array(z.string().toLowerCase()).optional() }).optional(),
  pictures: z
    .strictObject({ guidance: guidanceSchema.optional(), negative: z.literal('source').optional() })
    .optional(),
});

/** The defaults that a checkpoint itself states. */
export type StatedDefaults = z.output<typeof schema>;

/** The default settings of runs and edits. */
export interface Defaults {
  readonly guidance: number;
  /** The strongest guidance that is not projected ({@link projectedAbove}). */
  readonly projectAbove: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  /** The shares for each kind of edit, for {@link promptToPrompt}. */
  readonly shares: SharesByKind;
  /** Different defaults for edits of one's own pictures. */
  readonly pictures: {
    /**
     * Pictures are inverted without guidance, and their edits may tolerate less of it. Default: as for generated
     * pictures.
     */
    readonly guidance: number;
    /**
     * `source`: the negative prompt of edits by direct inversion is the source's prompt, as in negative-prompt
     * inversion. Guidance then leads only away from what the edit replaces. Default: the empty prompt, as published.
     */
    readonly negative?: 'source';
  };
  /** The defaults stated in the checkpoint's `p2p.json`; the others are the authors'. */
  readonly stated: StatedDefaults;
}

/** The authors' defaults, for a checkpoint that states none: 50 steps of DDIM at guidance 7.5. */
export const AUTHORS_DEFAULTS: Defaults = {
  guidance: 7.5,
  projectAbove: MAX_GUIDANCE,
  steps: 50,
  sampler: 'ddim',
  shares: AUTHORS_SHARES,
  pictures: { guidance: 7.5 },
  stated: {},
};

/**
 * The defaults for a checkpoint: those stated in its `p2p.json`, and the authors' for the rest.
 *
 * @throws ConfigError that names the file, the key and the value that is wrong
 */
export async function defaultsOf(checkpoint: Pick<Checkpoint, 'defaults'>): Promise<Defaults> {
  const config = await checkpoint.defaults();
  if (!config) return AUTHORS_DEFAULTS;
  const stated = parseConfig(schema, config.json, config.file);
  const { shares, pictures, ...run } = stated;
  const { guidance } = { ...AUTHORS_DEFAULTS, ...run };
  // A swap of describing words falls back to the shares of other swaps.
  const sharesOf = (kind: EditKind): Shares => ({
    ...AUTHORS_SHARES[kind],
    ...(kind === 'redescribe' && shares?.replace),
    ...shares?.[kind],
  });
  return {
    ...AUTHORS_DEFAULTS,
    ...run,
    shares: { ...mapEditKinds(sharesOf), describing: shares?.describing },
    pictures: { guidance, ...pictures },
    stated,
  };
}
