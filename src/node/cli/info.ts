import { defaultLatents, flopsPerRow, sitesAt, workingBytes } from '../../model/cost';
import type { Network } from '../../model/network';
import { byName, networksOf } from '../../networks';
import { readSchedulerConfig } from '../../sampler/schedulers';
import type { Checkpoint, NetworkName } from '../../weights/checkpoint';
import { openCheckpoint } from '../checkpoint';
import type { Manner } from './options';
import type { OpenSettings } from './settings';
import { siteTable } from './siteTable';
import { scaled, table } from './text';

/** Describes a model. */
export async function info(model: string, { lora, variant }: OpenSettings, { json, quiet }: Manner): Promise<void> {
  const about = { ...(await describe(await openCheckpoint(model, { loras: lora, variant }))), lora };
  if (json) process.stdout.write(`${JSON.stringify({ command: 'info', ...about }, undefined, 2)}\n`);
  else if (!quiet) process.stdout.write(`${inWords(about)}\n`);
}

type About = Awaited<ReturnType<typeof describe>> & Pick<OpenSettings, 'lora'>;

/** What a checkpoint's configs and file headers tell about it. */
export async function describe(checkpoint: Checkpoint) {
  const all = await networksOf(checkpoint);
  const { textEncoder, unet, vae } = all;
  const scheduler = readSchedulerConfig('ddim', await checkpoint.config('scheduler'));
  const { prediction_type: prediction, num_train_timesteps: trainSteps } = scheduler;

  const networks = await Promise.all(byName(all).map(([name, network]) => sizeOf(checkpoint, name, network)));
  const latents = defaultLatents(unet.config);
  const tokens = textEncoder.config.max_position_embeddings;
  const weightBytes = networks.reduce((sum, { parameters }) => sum + 4 * parameters, 0);
  return {
    model: checkpoint.name,
    layout: checkpoint.layout,
    pictures: { height: latents.height * vae.pixelsPerLatent, width: latents.width * vae.pixelsPerLatent },
    latents: { ...latents, channels: vae.config.latent_channels },
    context: { tokens, features: textEncoder.config.hidden_size },
    scheduler: { prediction, trainSteps },
    networks,
    /** The cost of an edit with one target, with guidance: four rows. */
    cost: {
      rows: ROWS,
      weightBytes,
      workingBytes: workingBytes(unet.config, vae.config, latents, ROWS),
      flopsPerStep: ROWS * flopsPerRow(unet, latents, tokens),
    },
    sites: sitesAt(unet, latents),
  };
}

/** The rows of an edit with one target: source and target, unconditional and conditional. */
const ROWS = 4;

async function sizeOf(checkpoint: Checkpoint, name: NetworkName, network: Network) {
  const { tensors, name: file } = await checkpoint.weights(name);
  const dtypes = [...new Set([...network.parameters.keys()].flatMap((key) => tensors.get(key)?.dtype ?? []))];
  return {
    name,
    class: network.constructor.name,
    file,
    tensors: network.parameters.size,
    parameters: network.size,
    dtypes,
  };
}

function inWords({ model, lora, layout, pictures, latents, context, scheduler, networks, cost, sites }: About): string {
  return [
    [model, ...lora.map(({ file, scale }) => `with the LoRA ${file} at scale ${scale}`)].join('\n'),
    `A Stable Diffusion checkpoint in the ${layout} layout: pictures of ${pictures.height} x ${pictures.width} pixels from latents of ${latents.height} x ${latents.width} x ${latents.channels},`,
    `prompts of up to ${context.tokens} tokens of ${context.features} features, ${scheduler.prediction} over ${scheduler.trainSteps} training steps.`,
    '',
    table([
      ['network', 'class', 'parameters', 'tensors', 'stored as'],
      ...networks.map((one) => [one.name, one.class, one.parameters, one.tensors, one.dtypes.join(', ')]),
    ]),
    '',
    `An edit with one target computes ${cost.rows} rows per step (source and target, with and without their prompts): about ${scaled(cost.flopsPerStep, 'FLOP')} per step.`,
    `It needs ${scaled(cost.weightBytes, 'B')} for the weights in float32 (on node, weights stored in 16 bits stay in 16 bits) and roughly ${scaled(cost.workingBytes, 'B')} to work in.`,
    '',
    siteTable(sites),
  ].join('\n');
}
