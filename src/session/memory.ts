import { outsideOfSteps } from '../attention/attend';
import type { AttentionCall, AttentionController, BatchRow, RunInfo } from '../attention/controller';
import { stagesWanted } from '../attention/hooks';
import { promptRows } from '../attention/rows';
import { withAttentionBytes } from '../attention/scaledDotProduct';
import { gradientBytes, sitesAt, workingBytes } from '../model/cost';
import type { Networks, UNet } from '../model/roles';
import type { Session } from './session';

/** More memory is needed than is allowed. The message says how much, for what, and what would need less. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError';
}

/**
 * Bytes of probabilities held at a time by attention that no controller looks into: the usual amount without a limit,
 * and the least that is worth computing with.
 */
const USUAL_ATTENTION = 64 * 2 ** 20;
const LEAST_ATTENTION = 2 ** 20;
/** Maps of one size that attention holds at a time: logits, probabilities, and one derived from either. */
const COPIES = 3;

/** An estimate of what a run holds at its peak, in bytes. The runtime itself, some 0.3 GB, is not included. */
export interface MemoryNeeds {
  readonly weights: number;
  /** The features of the UNet, of the decoding VAE or of a gradient if one is taken, whichever are largest. */
  readonly features: number;
  /** The largest attention maps that the controller wants. */
  readonly maps: number;
}

/** The properties of a run that determine its memory. */
interface RunToJudge {
  readonly run: RunInfo;
  /** The rows of a step's batch. */
  readonly rows: readonly BatchRow[];
  /** The sampler's timesteps, as controllers will see them. */
  readonly timesteps: readonly number[];
  /** Tokens in a context. */
  readonly tokens: number;
  readonly controller?: AttentionController;
}

export function memoryNeeds(
  model: Networks & { readonly bytes: number },
  { controller, ...judged }: RunToJudge,
): MemoryNeeds {
  const { bytes, unet, vae } = model;
  const { run, rows } = judged;
  const calls = controller ? [...callsOf(model, controller, judged)] : [];
  return {
    weights: bytes,
    features: Math.max(
      workingBytes(unet.config, vae.config, run.latents, rows.length),
      // A controller with `beforeStep` may take a gradient, with one row per prompt.
      controller?.beforeStep ? gradientBytes(unet.config, run.latents, run.prompts) : 0,
    ),
    maps: calls.reduce((largest, call) => Math.max(largest, mapBytes(controller!, call)), 0),
  };
}

/**
 * The calls at which the run consults its controller: in the text encoder, at every step in the UNet, and in the VAE's
 * decoder.
 */
function* callsOf(
  { textEncoder, unet, vae }: Networks,
  controller: AttentionController,
  { run, rows, timesteps, tokens }: Omit<RunToJudge, 'controller'>,
): Generator<AttentionCall> {
  // An upper bound: a text that several rows read is encoded once.
  const text = { height: 1, width: tokens };
  const { evaluation: encoding } = outsideOfSteps(controller, rows, text)!;
  for (const site of textEncoder.sites) yield { ...encoding, site, grid: text, keys: tokens };

  for (const { grid, ...site } of sitesAt(unet, run.latents)) {
    const keys = site.kind === 'self' ? grid.height * grid.width : tokens;
    for (const [step, timestep] of timesteps.entries()) yield { ...run, step, timestep, rows, site, grid, keys };
  }

  const keys = run.latents.height * run.latents.width;
  for (const row of promptRows(run.prompts)) {
    const { evaluation: decoding } = outsideOfSteps(controller, [row], run.latents)!;
    for (const site of vae.sites) if (site.place === 'decoder') yield { ...decoding, site, grid: run.latents, keys };
  }
}

/** Bytes of a call's maps if the controller wants them, else 0. */
function mapBytes(controller: AttentionController, call: AttentionCall): number {
  const { site, rows, grid, keys } = call;
  const stages = stagesWanted(controller, call);
  if (!stages.includes('logits') && !stages.includes('probs')) return 0;
  return 4 * COPIES * rows.length * site.heads * grid.height * grid.width * keys;
}

/**
 * Opens a session that stays within a memory limit by computing its attention in smaller chunks.
 *
 * @param limit of all memory, in bytes
 * @param open sets up the session with the given network
 * @throws MemoryError if the session does not fit; it is then already ended. RangeError for a limit that is none
 */
export async function withinMemory(
  limit: number,
  network: UNet['forward'],
  open: (network: UNet['forward']) => Promise<Session>,
  needsOf: (session: Session) => MemoryNeeds,
): Promise<Session> {
  if (!(limit > 0)) throw new RangeError(`The memory limit is ${limit}: it must be a number of bytes above 0.`);
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
      `The run needs about ${scaled(weights + features + attention)}, but only ${scaled(limit)} are allowed: ${scaled(weights)} for the weights, ` +
        `${scaled(features)} for features, ${scaled(attention)} for attention. Smaller pictures, fewer prompts at a time or no guidance need less.`,
    );
  }
  return Math.max(LEAST_ATTENTION, Math.min(USUAL_ATTENTION, Math.floor(rest / COPIES)));
}

const scaled = (bytes: number): string =>
  bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
