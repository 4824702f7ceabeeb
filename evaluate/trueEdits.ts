import { join } from 'node:path';
import { apart } from './compare';
import { amount } from './edits';
import { type Experiment, type Sample, sample } from './experiment';
import { ALL_OVER, type HeldOut, WEIGHTED } from './heldOut';
import type { Verdict } from './judge';
import { readRow } from './sheet';

type Kind = (typeof ALL_OVER)[number] | (typeof WEIGHTED)[number];

/** The kinds of rows in `true_edits.png`, with ROWS of each (`training/held_out.py`). */
function kindsOf({ added }: HeldOut): readonly Kind[] {
  return [...ALL_OVER.filter((kind) => added[kind]), ...WEIGHTED];
}

/** Rows per kind, and pictures per row. */
const [ROWS, COLUMNS] = [8, 10];
/** Pictures that belong together: a picture and its edit, or one scene in five amounts. */
const [PAIR, AMOUNTS] = [2, 5];

/** Rendered edits, as they should be: how does the judge measure them? A run is a row of `true_edits.png`. */
export const trueEdits: Experiment = {
  name: 'true edits',
  runs: (heldOut) => kindsOf(heldOut).length * ROWS,
  async run({ judge, folder, heldOut }, index) {
    const kind = kindsOf(heldOut)[Math.floor(index / ROWS)];
    const images = await readRow(join(folder, 'true_edits.png'), index, COLUMNS);
    const verdicts = await judge.look(images);
    images.dispose();
    return { samples: samplesOf(kind, index, verdicts), panels: [] };
  },
};

function samplesOf(kind: Kind, group: number, verdicts: readonly Verdict[]): Sample[] {
  if (isGraded(kind))
    return inParts(verdicts, AMOUNTS).flatMap((series) =>
      sample(`true.${kind}`, group, ...series.map((verdict) => amount(kind, verdict))),
    );
  return inParts(verdicts, PAIR).flatMap(([before, after]) =>
    sample(`true.${kind}`, group, apart(before.occupied, after.occupied)),
  );
}

function isGraded(kind: Kind): kind is (typeof WEIGHTED)[number] {
  return WEIGHTED.some((word) => word === kind);
}

function inParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: items.length / size }, (_, i) => items.slice(i * size, (i + 1) * size));
}
