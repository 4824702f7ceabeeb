/**
 * The names of a recording's tensors: `noise`, `checksums`, and for each step `step.12.prediction`, `step.12.latents`
 * (after the step) and `step.12.<path of the site>.q`, `.k`, `.v`; also `step.12.embedding` if the unconditional rows
 * read another embedding at each step, and `step.12.added` if steps add noise extracted from the picture.
 */

/** The checksums of the header with the noise, then of each step, which show that the file is unchanged. */
export const CHECKSUMS = 'checksums';

export function nameAt(step: number, name: string): string {
  return `step.${step}.${name}`;
}

/** The scales, one per head, of a tensor stored as int16 changes since the step before. */
export function scaleOf(name: string): string {
  return `${name}.scale`;
}
