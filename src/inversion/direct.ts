import type { AttentionController } from '../attention/controller';
import { replaceRows } from '../attention/rows';
import type { Trajectory } from './trajectory';

/**
 * Direct inversion (Ju et al. 2023, arXiv 2310.01506): after each step the source's latents are put back on the
 * trajectory of its picture, and the targets' are left as they are. So the source comes out as it went in, and its
 * prediction does not matter: of its rows only the conditional one is needed, for its attention.
 *
 * Compose it before controllers that look at the source's latents, such as a local blend.
 *
 * @param trajectory of as many steps as the run; stays the caller's
 */
export function putBack(trajectory: Trajectory): AttentionController {
  return {
    wants: () => [],
    onLatents: (latents, { step }) => replaceRows(latents, new Map([[0, trajectory.after(step)]])),
  };
}
