import { walkUp } from './ddim';
import { isUnguidedSource } from './direct';
import type { InversionTask, Inverted } from './method';

/**
 * Negative-prompt inversion (Miyake et al. 2023, arXiv 2305.16807): the source's prompt is the negative prompt of all
 * rows. Guidance then has no effect on the source, whose prediction stays the one that inverted it; so its
 * unconditional row is left out.
 */
export async function negativePrompt(task: InversionTask): Promise<Inverted> {
  const trajectory = await walkUp(task);
  return { trajectory, options: { noise: trajectory.noise, negative: task.prompt, omit: isUnguidedSource } };
}
