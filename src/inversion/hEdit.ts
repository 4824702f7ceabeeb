import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import { takeRow } from '../attention/rows';
import type { Guidance } from '../guidance/guidance';
import { DDIMSampler } from '../sampler/ddim';
import type { Sampler } from '../sampler/sampler';
import { walkUp } from './ddim';
import { isUnguidedSource } from './direct';
import type { InversionTask, Inverted } from './method';
import type { Trajectory } from './trajectory';

/** The authors' guidance scale away from the source's prompt, as a share of that towards the target's. */
const SOURCE_SHARE = 0.9;

/**
 * h-Edit-D (Nguyen et al. 2025, arXiv 2503.02187, the implicit form with one step of optimisation): each step has two
 * parts. The first reconstructs: every picture takes the step for the source's prompt, plus the correction that puts
 * the source back on its trajectory. The second edits, at the noise level just reached: the latents move by the
 * difference between the guided predictions for the target's and the source's prompt. Prompt-to-Prompt acts in the
 * second.
 *
 * @throws RangeError for a sampler other than DDIM
 */
export async function hEdit(task: InversionTask): Promise<Inverted> {
  const { sampler, guidance, sourceGuidance = SOURCE_SHARE * guidance, prompt, negative } = task;
  if (!(sampler instanceof DDIMSampler)) throw new RangeError('h-edit needs the sampler ddim.');
  const trajectory = await walkUp(task);
  return {
    trajectory,
    options: {
      noise: trajectory.noise,
      sampler: editing(sampler),
      guidance: fromSourceToTarget(guidance, sourceGuidance, prompt),
      negative,
      omit: isUnguidedSource,
    },
    controller: keeping(sampler, trajectory),
  };
}

/** The first part of each step, before the second. */
function keeping(sampler: DDIMSampler, trajectory: Trajectory): AttentionController {
  return {
    name: 'h-edit',
    wants: () => [],
    beforeStep: (latents, { step, evaluate }) =>
      tf.tidy(() => {
        const rows = Array.from({ length: latents.shape[0] }, () => ({ prompt: 0, role: 'conditional' }));
        const predicted = evaluate(latents, { rows, timestep: sampler.timesteps[step] });
        const stepped = sampler.step(predicted, step, latents);
        return tf.add<tf.Tensor4D>(stepped, tf.sub(trajectory.after(step), takeRow(stepped, 0)));
      }),
  };
}

/** The second part: it begins where the first one led, at the next timestep. */
function editing(sampler: DDIMSampler): Sampler {
  return {
    timesteps: sampler.timesteps.map((_, index) => sampler.timestepAfter(index)),
    step: (difference, index, latents) => tf.tidy(() => tf.add(latents, sampler.moveAfter(difference, index))),
  };
}

/** The difference between two guided predictions for a target: with its own prompt, and with the source's. */
function fromSourceToTarget(scale: number, sourceScale: number, source: string): Guidance {
  return {
    name: `hEdit(${scale}, ${sourceScale})`,
    rows: [
      { role: 'unconditional', text: 'negative' },
      { role: 'source', text: { of: source } },
    ],
    // The source has neither row: its conditional prediction stands in for both, so it does not move.
    guide: (_, { conditional, unconditional, source: ofSource }) =>
      tf.sub(tf.mul(tf.sub(conditional, unconditional), scale), tf.mul(tf.sub(ofSource, unconditional), sourceScale)),
  };
}
