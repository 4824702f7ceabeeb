import * as tf from '@tensorflow/tfjs';
import type { ConfigFile } from '../config';
import type { Network } from '../model/network';
import type { PromptEncoder, UNet } from '../model/roles';
import type { Parameter } from '../nn/scope';
import type { Sampler } from '../sampler/sampler';
import { readSchedulerConfig, type SamplerName } from '../sampler/schedulers';

/** Hashes of the parts of a model that a run's latents depend on. They do not depend on the VAE. */
export interface Fingerprints {
  readonly text_encoder: string;
  readonly unet: string;
  readonly scheduler: string;
}

/**
 * How many numbers of each parameter are read: enough to tell a fine-tuned model from its base, and read in a fraction
 * of a second.
 */
const SAMPLE = 8;

export interface FingerprintedModel {
  readonly textEncoder: PromptEncoder;
  readonly unet: UNet;
  readonly scheduler: ConfigFile;
}

/** @param sampler the run's sampler: only what it reads of the scheduler's config is hashed */
export async function fingerprints(
  { textEncoder, unet, scheduler }: FingerprintedModel,
  sampler: SamplerName | Sampler,
): Promise<Fingerprints> {
  return {
    text_encoder: await hash(inOrder(textEncoder.config), ...(await sampleOf(textEncoder))),
    unet: await hash(inOrder(unet.config), ...(await sampleOf(unet))),
    scheduler: await hash(scheduleOf(scheduler, sampler)),
  };
}

/**
 * What a sampler reads of the scheduler's config; for a custom sampler, which reads none of it, its name and timesteps.
 */
function scheduleOf(scheduler: ConfigFile, sampler: SamplerName | Sampler): string {
  return typeof sampler === 'string'
    ? inOrder(readSchedulerConfig(sampler, scheduler))
    : JSON.stringify([sampler.name, sampler.timesteps]);
}

/** A checked config as JSON with sorted keys, so that their order in the file does not matter. */
function inOrder(config: object): string {
  return JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The parameters' names and shapes, and the first numbers of each. */
async function sampleOf({ parameters }: Network): Promise<[string, Float32Array]> {
  const sorted = [...parameters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  // A tidy for each, because the value may be a copy.
  const first = (parameter: Parameter): tf.Tensor1D =>
    tf.tidy(() => {
      const { value } = parameter;
      return tf.slice(tf.reshape(value, [-1]) as tf.Tensor1D, 0, Math.min(SAMPLE, value.size));
    });
  const numbers = tf.tidy(() => tf.concat(sorted.map(first)));
  try {
    return [JSON.stringify(sorted.map(({ name, shape }) => [name, shape])), await numbers.data<'float32'>()];
  } finally {
    numbers.dispose();
  }
}

/** The first half of SHA-256, in hexadecimal digits. */
async function hash(...parts: readonly (string | Float32Array)[]): Promise<string> {
  const bytes = await new Blob(parts as BlobPart[]).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
