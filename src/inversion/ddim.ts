import type { InverseSampler, Sampler } from '../sampler/sampler';
import type { Session } from '../session/session';
import type { InversionTask, Inverted } from './method';
import { Trajectory } from './trajectory';

/**
 * DDIM inversion (Song et al. 2020, arXiv 2010.02502; Dhariwal & Nichol 2021): the sampler walked the other way, with
 * the prompt and without guidance. An edit with guidance leaves the trajectory: the picture is not reconstructed.
 */
export async function ddim(task: InversionTask): Promise<Inverted> {
  const trajectory = await walkUp(task);
  return { trajectory, options: { noise: trajectory.noise } };
}

/**
 * The picture's way to noise, one row a step.
 *
 * @param through what becomes of the inverse sampler, such as fixed-point iteration
 * @throws RangeError if the sampler has no way back
 */
export async function walkUp(
  task: InversionTask,
  through: (inverse: InverseSampler, session: () => Session) => Sampler = (inverse) => inverse,
): Promise<Trajectory> {
  const { picture, sampler, steps, onProgress } = task;
  if (!sampler.inverse)
    throw new RangeError('This sampler has no inverse step: pictures are inverted by ddim or dpm++.');
  const session: Session = await task.session({
    sampler: through(sampler.inverse(), () => session),
    noise: picture,
    guidance: 1,
  });
  try {
    return await Trajectory.of(picture, session.steps(), (step) => onProgress?.({ task: 'inverting', step, steps }));
  } finally {
    await session.end();
  }
}
