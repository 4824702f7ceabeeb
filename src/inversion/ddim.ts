import type { InverseSampler, Sampler } from '../sampler/sampler';
import type { Session } from '../session/session';
import type { InversionTask, Inverted } from './method';
import { Trajectory } from './trajectory';

/**
 * DDIM inversion (Song et al. 2020, arXiv 2010.02502; Dhariwal & Nichol 2021): the sampler run backwards, with the
 * prompt and without guidance. An edit with guidance leaves the trajectory, so the picture is not reconstructed.
 */
export async function ddim(task: InversionTask): Promise<Inverted> {
  const trajectory = await walkUp(task);
  return { trajectory, options: { noise: trajectory.noise } };
}

/**
 * The picture's trajectory to noise, evaluating one row per step.
 *
 * @param through wraps the inverse sampler, for example in fixed-point iteration
 * @throws RangeError if the sampler has no inverse
 */
export async function walkUp(
  task: InversionTask,
  through: (inverse: InverseSampler, session: () => Session) => Sampler = (inverse) => inverse,
): Promise<Trajectory> {
  const { picture, sampler, steps, onProgress } = task;
  if (!sampler.inverse)
    throw new RangeError('This sampler has no inverse step: invert pictures with one that has, such as ddim.');
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
