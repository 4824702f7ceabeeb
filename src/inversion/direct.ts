import type { AttentionController, BatchRow } from '../attention/controller';
import { replaceRows } from '../attention/rows';
import { walkUp } from './ddim';
import type { InversionTask, Inverted } from './method';
import type { Trajectory } from './trajectory';

/**
 * Direct inversion (Ju et al. 2023, arXiv 2310.01506): after each step the source's latents are put back on the
 * picture's trajectory, and the targets' are left alone. So the source comes out exactly as it went in, whatever the
 * network predicts for it; only its conditional row is evaluated, for its attention.
 */
export async function direct(task: InversionTask): Promise<Inverted> {
  const trajectory = await walkUp(task);
  return {
    trajectory,
    options: { noise: trajectory.noise, omit: isUnguidedSource },
    controller: sourceOnTrajectory(trajectory),
  };
}

/**
 * The source's rows that only guidance needs. They are left out if guidance would not change the source's prediction,
 * or the prediction does not matter.
 */
export function isUnguidedSource({ prompt, role }: BatchRow): boolean {
  return prompt === 0 && role !== 'conditional';
}

/**
 * Puts the source's latents back on the trajectory after each step. Compose it before controllers that read the
 * latents.
 *
 * @param trajectory with as many steps as the run; not disposed of
 */
export function sourceOnTrajectory(trajectory: Trajectory): AttentionController {
  return {
    wants: () => [],
    onLatents: (latents, { step }) => replaceRows(latents, new Map([[0, trajectory.after(step)]])),
  };
}
