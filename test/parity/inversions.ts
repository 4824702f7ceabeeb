import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../../src/attention/controller';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import type { StepRange } from '../../src/edits/prompt-to-prompt/schedule';
import { iterated } from '../../src/inversion/fixedPoint';
import { INVERSIONS, type InversionName } from '../../src/inversion/names';
import { ProximalGuidance } from '../../src/inversion/proximal';
import { Trajectory } from '../../src/inversion/trajectory';
import { invert } from '../../src/invert';
import type { RunOptions } from '../../src/options';
import type { StableDiffusionPipeline } from '../../src/pipeline';
import { Recording } from '../../src/recording/recording';
import { createSampler } from '../../src/sampler/createSampler';
import type { DDIMConfig } from '../../src/sampler/ddim';
import { denoise, type Predict } from '../../src/sampler/denoise';
import { alphasCumprod } from '../../src/sampler/schedule';
import type { SamplerName } from '../../src/sampler/schedulers';
import { BlobSink } from '../../src/weights/sink';
import { bytesOf } from '../../src/weights/source';
import { blendOf, cases, type EditCase, golden, openWith, predictorOf } from '../inversion/fixture';
import { type Comparison, largestOf, PARITY } from './comparison';
import { lastLatents } from './edits';

/** Trajectories from pictures to noise, on the small checkpoint: see test/fixtures/inversion.py. */
export const inversions: readonly Comparison[] = [
  ...Object.entries(cases.inversions).flatMap(([name, { picture, prompt, scheduler }]) =>
    [undefined, 1].map((iterations) => ({
      part: iterations ? 'fixed-point inversion, once' : 'DDIM inversion',
      name,
      most: PARITY,
      largest: async () =>
        largestOf([
          await trajectoryOf(await openWith(scheduler), { picture, prompt, iterations }),
          await golden(`trajectory.${name}`),
        ]),
    })),
  ),
  ...Object.entries(cases.witnesses).map(([name, { class_name, picture, prompt, config }]) => ({
    part: "diffusers' inverse schedulers",
    name,
    most: PARITY,
    async largest() {
      const pipe = await openWith(config);
      const sampler = class_name === 'DDIMInverseScheduler' ? 'ddim' : 'dpm++';
      const seen = config.prediction_type === 'v_prediction' ? asSeenByDiffusers(config as DDIMConfig) : undefined;
      return largestOf([await trajectoryOf(pipe, { picture, prompt, sampler, seen }), await golden(`witness.${name}`)]);
    },
  })),
];

/** Edits compared with the published methods': the final latents, including the source's. */
export const pictureEdits: readonly Comparison[] = Object.entries(cases.edits)
  // h-Edit's explicit form is not implemented.
  .filter(([, { method, implicit }]) => implicit !== false && INVERSIONS.some((known) => known === method))
  .map(([name, edit]) => ({
    part: 'edits of pictures',
    name,
    most: 1e-3,
    largest: async () => largestOf([await editOf(edit), await golden(`edit.${name}`)]),
  }));

/** An edit's final latents from the library; if `recorded`, from a recording and without the source's. */
export async function editOf(edit: EditCase, recorded = false): Promise<tf.Tensor4D> {
  const { method, source, targets, kind, guidance, ...rest } = edit;
  const { picture, scheduler } = edit.inversion ? cases.inversions[edit.inversion] : cases.noise[edit.noise!];
  const pipe = await openWith(scheduler);
  const latents = await golden(`latents.${picture}`);
  const onWarning = () => undefined; // the small checkpoint knows few words, and says so
  const inversion = await invert(pipe, latents, {
    prompt: source,
    method: method as InversionName,
    steps: cases.steps,
    guidance,
    skip: edit.skip && edit.skip / cases.steps,
    epsilon: edit.epsilon,
    sourceGuidance: edit.source_guidance,
    onWarning,
  });
  const prompts = kind ? [source, ...targets] : targets;
  const controller = kind
    ? promptToPrompt({ tokenizer: pipe.tokenizer, prompts, edit: kind, ...rest, ...ofRun(edit), blend: blendOf(edit) })
    : undefined;
  const sink = recorded ? new BlobSink() : undefined;
  if (sink) await inversion.record(pipe, { to: sink, exact: true, self: 1, selfSize: 32 });
  const options = sink
    ? { recording: await Recording.open(bytesOf(sink.blob)), guidance, controller }
    : { ...inversion.options(controller), ...instead(edit, controller) };
  const last = await lastLatents(pipe.run(prompts, { ...options, onWarning }));
  for (const one of [inversion, latents, pipe]) one.dispose();
  return last;
}

/** Edit-friendly edits skip steps; the authors' shares refer to all steps. */
function ofRun({ cross, self, skip = 0 }: EditCase): Pick<EditCase, 'cross' | 'self'> {
  const share = (of: StepRange | undefined) =>
    Math.min(1, ((of as number) * cases.steps) / (cases.steps - skip) + 1e-6);
  return skip ? { cross: share(cross), self: share(self) } : { cross, self };
}

/** Options in which the authors' run differs. */
function instead({ method, guided, guidance, kind }: EditCase, controller?: AttentionController): RunOptions {
  if (method === 'proximal' && !guided) return { guidance: new ProximalGuidance({ scale: guidance }), controller };
  return kind ? {} : { guidance };
}

/** The whole trajectory of a picture; disposes the pipeline. */
async function trajectoryOf(
  pipe: StableDiffusionPipeline,
  {
    picture,
    prompt,
    sampler = 'ddim',
    iterations,
    seen = (predict) => predict,
  }: {
    picture: string;
    prompt: string;
    sampler?: SamplerName;
    iterations?: number;
    seen?: (predict: Predict) => Predict;
  },
): Promise<tf.Tensor4D> {
  const latents = await golden(`latents.${picture}`);
  const network = predictorOf(pipe, prompt);
  const predict = seen(network.predict);
  const inverse = createSampler(pipe.scheduler, { sampler, steps: cases.steps }).inverse!();
  const trajectory = await Trajectory.of(
    latents,
    denoise({ sampler: iterations ? iterated(inverse, predict, iterations) : inverse, latents, predict }),
  );
  const tensor = trajectory.tensor();
  for (const one of [trajectory, network, latents, pipe]) one.dispose();
  return tensor;
}

/**
 * diffusers interprets a velocity at the noise level of the latents; here it is that at the timestep given to the
 * network, so that predictions can be refined. Converts a prediction to the velocity with the noise that diffusers
 * sees.
 */
function asSeenByDiffusers(config: DDIMConfig): (predict: Predict) => Predict {
  const products = alphasCumprod(config);
  const level = (timestep: number) => {
    const product = timestep < 0 ? 1 : products[timestep];
    return { alpha: product ** 0.5, sigma: (1 - product) ** 0.5 };
  };
  return (predict) => (latents, timestep, step) => {
    const [told, actual] = [level(timestep), level(timestep - config.num_train_timesteps / cases.steps)];
    return tf.tidy(() => {
      const velocity = predict(latents, timestep, step);
      const noise = tf.add(tf.mul(velocity, actual.alpha), tf.mul(latents, actual.sigma));
      return tf.div(tf.sub(noise, tf.mul(latents, told.sigma)), told.alpha);
    });
  };
}
