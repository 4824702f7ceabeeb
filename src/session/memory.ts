import type { AttentionController, BatchRow, RunInfo } from '../attention/controller';
import { withAttentionBytes } from '../attention/scaledDotProduct';
import { gradientBytes, sitesAt, workingBytes } from '../model/cost';
import type { UNet, VAE } from '../model/roles';
import type { Session } from './session';

/** More memory is needed than was allowed. The message says how much, for what, and what would need less. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError';
}

/**
 * Of attention that no controller looks into, at a time: as much as it takes where nobody sets a limit, and the least
 * that is worth computing.
 */
const USUAL_ATTENTION = 64 * 2 ** 20;
const LEAST_ATTENTION = 2 ** 20;
/** Maps of one size that attention holds at a time: logits, probabilities, and what becomes of either. */
const COPIES = 3;

/** What a run holds at its peak by estimate, in bytes. The runtime itself, some 0.3 GB, is not part of it. */
export interface MemoryNeeds {
  readonly weights: number;
  /** The UNet's features, or the VAE's while it decodes; or those of a gradient, where one is taken. */
  readonly features: number;
  /** The largest attention maps that the controller wants laid out. */
  readonly maps: number;
}

/** @param run.rows of a step's batch @param run.tokens of the context */
export function memoryNeeds(
  { bytes, unet, vae }: { readonly bytes: number; readonly unet: UNet; readonly vae: VAE },
  {
    run,
    rows,
    timesteps,
    tokens,
    controller,
  }: {
    readonly run: RunInfo;
    readonly rows: readonly BatchRow[];
    /** The sampler's, as controllers will be told them. */
    readonly timesteps: readonly number[];
    readonly tokens: number;
    readonly controller?: AttentionController;
  },
): MemoryNeeds {
  const maps = sitesAt(unet, run.latents).map(({ grid, ...site }) => {
    const queries = grid.height * grid.width;
    const keys = site.kind === 'self' ? queries : tokens;
    const calls = timesteps.map((timestep, step) => ({
      ...run,
      step,
      timestep,
      rows,
      site,
      grid,
      keys,
    }));
    const laidOut = calls.some((call) =>
      controller?.wants(call).some((stage) => stage === 'logits' || stage === 'probs'),
    );
    return laidOut ? 4 * COPIES * rows.length * site.heads * queries * keys : 0;
  });
  return {
    weights: bytes,
    features: Math.max(
      workingBytes(unet.config, vae.config, run.latents, rows.length),
      // A controller that acts before a step may take a gradient, of a row for each prompt.
      controller?.beforeStep ? gradientBytes(unet.config, run.latents, run.prompts) : 0,
    ),
    maps: Math.max(...maps),
  };
}

/**
 * A session that keeps to a limit of memory: its attention is computed in smaller chunks.
 *
 * @param limit of all memory, in bytes
 * @param open sets the session up with the network that it is given
 * @throws MemoryError if what the session needs does not fit; nothing of it is left then
 */
export async function withinMemory(
  limit: number,
  network: UNet['forward'],
  open: (network: UNet['forward']) => Promise<Session>,
  needsOf: (session: Session) => MemoryNeeds,
): Promise<Session> {
  let attention = LEAST_ATTENTION;
  const session = await open((...input) => withAttentionBytes(attention, () => network(...input)));
  try {
    attention = attentionBytes(needsOf(session), limit);
    return session;
  } catch (error) {
    await session.end();
    throw error;
  }
}

/**
 * How many bytes of probabilities attention may hold at a time.
 *
 * @param limit of all memory, in bytes
 * @throws MemoryError if the run does not fit
 */
export function attentionBytes({ weights, features, maps }: MemoryNeeds, limit: number): number {
  const attention = Math.max(maps, COPIES * LEAST_ATTENTION);
  const rest = limit - weights - features;
  if (rest < attention) {
    throw new MemoryError(
      `The run needs about ${scaled(weights + features + attention)}, and ${scaled(limit)} are allowed: ${scaled(weights)} for the weights, ` +
        `${scaled(features)} for features, ${scaled(attention)} for attention. A smaller picture, fewer prompts at a time and no guidance need less.`,
    );
  }
  return Math.max(LEAST_ATTENTION, Math.min(USUAL_ATTENTION, Math.floor(rest / COPIES)));
}

const scaled = (bytes: number): string =>
  bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
