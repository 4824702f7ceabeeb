import { added, swapped, swaps, weighted } from './edits';
import type { Experiment } from './experiment';
import { neverSeen, newCaptions, reconstruction } from './fidelity';
import { trueEdits } from './trueEdits';

/** Everything that is measured, in the order in which it is done. */
export const experiments: readonly Experiment[] = [
  reconstruction,
  newCaptions,
  neverSeen,
  swaps,
  ...swapped,
  ...added,
  ...weighted,
  trueEdits,
];
