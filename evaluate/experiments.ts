import { added, swapped, swaps, weighted } from './edits';
import type { Experiment } from './experiment';
import { neverSeen, newCaptions, reconstruction } from './fidelity';
import { trueEdits } from './trueEdits';

/** All experiments, in the order in which they run. */
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
