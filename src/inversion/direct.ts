import type { AttentionController, BatchRow } from '../attention/controller';
import { replaceRows } from '../attention/rows';
import { walkUp } from './ddim';
import type { InversionTask, Inverted } from './method';
import type { Trajectory } from './trajectory';

/**
 * Direct inversion (Ju et al. 2023, arXiv 2310.01506): after each step the source's latents are put back on the
 * picture's trajectory, and the targets' are left as they are. So the source comes out as it went in, and what the
 * network predicts for it does not matter: of its rows there is the conditional one alone, for its attention.
 */
export async function direct(task: InversionTask): Promise<Inverted> {
  const trajectory = await walkUp(task);
  return {
    trajectory,
    options: { noise: trajectory.noise, omit: isUnguidedSource },
    controller: sourceOnTrajectory(trajectory),
  };
}

/** The source's rows that guidance would need: left out where its prediction is its conditional one, or none matters. */
export function isUnguidedSource({ prompt, role }: BatchRow): boolean {
  return prompt === 0 && role !== 'conditional';
}

/**
 * Puts the source's latents back after each step. For a composition: before controllers that look at the latents.
 *
 * @param trajectory of as many steps as the run; stays the caller's
 */
export function sourceOnTrajectory(trajectory: Trajectory): AttentionController {
  return {
    wants: () => [],
    onLatents: (latents, { step }) => replaceRows(latents, new Map([[0, trajectory.after(step)]])),
  };
}
