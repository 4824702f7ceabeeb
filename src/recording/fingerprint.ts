import * as tf from '@tensorflow/tfjs';
import type { ConfigFile } from '../config';
import { parseConfig } from '../config';
import type { CLIPTextModel } from '../model/clipText';
import { parseCLIPTextConfig, parseUNetConfig } from '../model/config';
import type { Network } from '../model/network';
import type { UNet2DConditionModel } from '../model/unet';
import type { Parameter } from '../nn/scope';
import type { Sampler, SamplerName } from '../sampler/sampler';
import { ddimConfig, dpmSolverConfig } from '../sampler/schedulerConfig';

/** What of a model a run's latents depend on, each by a hash. The VAE has no part in them. */
export interface Fingerprints {
  readonly text_encoder: string;
  readonly unet: string;
  readonly scheduler: string;
}

/**
 * Numbers read of each parameter: enough to tell a fine-tuned model from its parent, and read in a fraction of a
 * second.
 */
const SAMPLE = 8;

/** @param sampler the one that the run has: a scheduler's config is what that sampler reads of it */
export async function fingerprints(
  {
    textEncoder,
    unet,
    scheduler,
  }: {
    readonly textEncoder: CLIPTextModel;
    readonly unet: UNet2DConditionModel;
    readonly scheduler: ConfigFile;
  },
  sampler: SamplerName | Sampler,
): Promise<Fingerprints> {
  return {
    text_encoder: await hash(read(textEncoder.config, parseCLIPTextConfig({})), ...(await sampleOf(textEncoder))),
    unet: await hash(read(unet.config, parseUNetConfig({})), ...(await sampleOf(unet))),
    scheduler: await hash(scheduleOf(scheduler, sampler)),
  };
}

/** What a sampler reads of the scheduler's config; of one of the caller's own, which reads none, its timesteps. */
function scheduleOf({ json, file }: ConfigFile, sampler: SamplerName | Sampler): string {
  if (typeof sampler !== 'string') return JSON.stringify([sampler.name, sampler.timesteps]);
  const schema = { ddim: ddimConfig, 'dpm++': dpmSolverConfig }[sampler] as typeof ddimConfig;
  return read(parseConfig(schema, json, file), parseConfig(schema, {}, file));
}

/**
 * The keys of a config that are read here are those that have a default; the others may differ between files of one
 * model.
 */
function read(config: object, defaults: object): string {
  return JSON.stringify(
    Object.keys(defaults)
      .sort()
      .map((key) => [key, config[key as never] as unknown]),
  );
}

/** The parameters' names and shapes, and the first numbers of each. */
async function sampleOf({ parameters }: Network): Promise<[string, Float32Array]> {
  const inOrder = [...parameters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  // A tidy for each: the value may be a copy.
  const first = (parameter: Parameter): tf.Tensor1D =>
    tf.tidy(() => {
      const { value } = parameter;
      return tf.slice(tf.reshape(value, [-1]) as tf.Tensor1D, 0, Math.min(SAMPLE, value.size));
    });
  const numbers = tf.tidy(() => tf.concat(inOrder.map(first)));
  try {
    return [JSON.stringify(inOrder.map(({ name, shape }) => [name, shape])), await numbers.data<'float32'>()];
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
