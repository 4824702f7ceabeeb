/**
 * The names of a recording's tensors: `noise`, `checksums`, and of each step `step.12.prediction`, `step.12.latents` (after it),
 * `step.12.<path of the site>.q`, `.k`, `.v`; `step.12.embedding` where the unconditional rows read another text at each
 * step, and `step.12.added` where steps add noise that is the picture's own.
 */

/** Of the header and the noise, then of each step: what shows that the file is as it was written. */
export const CHECKSUMS = 'checksums';

export function nameAt(step: number, name: string): string {
  return `step.${step}.${name}`;
}

/** The scales of a tensor of which the changes since the step before are stored, in int16: one for each head. */
export function scaleOf(name: string): string {
  return `${name}.scale`;
}
