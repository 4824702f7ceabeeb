import { MAX_GUIDANCE } from '../guidance/maxGuidance';
import type { SamplerName } from '../sampler/schedulers';
import { DEFAULTS } from '../session/options';

export const INVERSIONS = [
  'direct',
  'ddim',
  'null-text',
  'negative-prompt',
  'proximal',
  'edit-friendly',
  'fixed-point',
  'h-edit',
] as const;
/** The method by which a picture is inverted. */
export type InversionName = (typeof INVERSIONS)[number];

/** Methods that work only with DDIM. */
const BY_DDIM: readonly InversionName[] = ['null-text', 'edit-friendly', 'fixed-point', 'h-edit'];

/** The checkpoint's own sampler if the method works with it, else DDIM. */
export function samplerFor(method: InversionName, { sampler }: { readonly sampler: SamplerName }): SamplerName {
  return BY_DDIM.includes(method) ? 'ddim' : sampler;
}

/** The guidance above which edits of a picture are projected: the checkpoint's for direct inversion, else none. */
export function projectAboveFor(method: InversionName, { projectAbove }: { readonly projectAbove: number }): number {
  return method === 'direct' ? projectAbove : MAX_GUIDANCE;
}

/**
 * The negative prompt of a picture's edits.
 *
 * @param prompt the picture's
 * @param negative what the checkpoint states for pictures
 */
export function negativeFor(
  method: InversionName,
  prompt: string,
  { negative }: { readonly negative?: 'source' },
): string {
  return method === 'direct' && negative === 'source' ? prompt : DEFAULTS.negative;
}

/** Methods whose edits need more of the source than a recording holds. */
const UNRECORDED: readonly InversionName[] = ['h-edit'];

/** @throws RangeError for a method whose edits cannot be made from a recording */
export function checkRecordable(method: InversionName): void {
  if (UNRECORDED.includes(method))
    throw new RangeError(
      `Edits by ${method} inversion cannot be made from a recording: they need more of the inversion. Invert the picture for each run, or use another method.`,
    );
}
