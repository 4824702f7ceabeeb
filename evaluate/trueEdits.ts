import { join } from 'node:path';
import { apart } from './compare';
import { amount } from './edits';
import { type Experiment, type Sample, sample } from './experiment';
import { ALL_OVER, WEIGHTED } from './heldOut';
import type { Verdict } from './judge';
import { readRow } from './sheet';

/**
 * What the rows of `true_edits.png` are of, as many of each, and how many pictures are on a row
 * (`training/held_out.py`).
 */
const KINDS = [...ALL_OVER, ...WEIGHTED] as const;
const [ROWS, COLUMNS] = [8, 10];
/** A picture and its edit; or one thing in five amounts. */
const [PAIR, AMOUNTS] = [2, 5];

/** Edits as they should be, rendered: what does the judge make of them? A run is a row of `true_edits.png`. */
export const trueEdits: Experiment = {
  name: 'true edits',
  runs: () => KINDS.length * ROWS,
  async run({ judge, folder }, index) {
    const kind = KINDS[Math.floor(index / ROWS)];
    const images = await readRow(join(folder, 'true_edits.png'), index, COLUMNS);
    const verdicts = await judge.look(images);
    images.dispose();
    return { samples: samplesOf(kind, index, verdicts), panels: [] };
  },
};

function samplesOf(kind: (typeof KINDS)[number], group: number, verdicts: readonly Verdict[]): Sample[] {
  if (isGraded(kind))
    return inParts(verdicts, AMOUNTS).flatMap((series) =>
      sample(`true.${kind}`, group, ...series.map((verdict) => amount(kind, verdict))),
    );
  return inParts(verdicts, PAIR).flatMap(([before, after]) =>
    sample(`true.${kind}`, group, apart(before.occupied, after.occupied)),
  );
}

function isGraded(kind: (typeof KINDS)[number]): kind is (typeof WEIGHTED)[number] {
  return WEIGHTED.some((word) => word === kind);
}

function inParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: items.length / size }, (_, i) => items.slice(i * size, (i + 1) * size));
}
