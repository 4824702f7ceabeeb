/** The contents of the growth plots: panels for each size, lines for each panel. */
import type { Axis, Size } from './points';

/** A line of bench/results/growth.json. */
export interface Row {
  readonly backend: string;
  readonly threads: number;
  readonly work: 'edit' | 'plain';
  readonly size: string;
  readonly axis: Axis;
  readonly at: number;
  readonly steps: number;
  /** The best time of the whole run, in milliseconds; undefined if the point could not be measured. */
  readonly best?: number;
  /** Peak memory, in bytes. */
  readonly peak?: number;
  /** Why it could not be measured. */
  readonly stopped?: string;
}

export interface Line {
  /** Determines its colour. */
  readonly backend: string;
  /** A plain run's line is dashed. */
  readonly work: Row['work'];
  readonly points: readonly (readonly [at: number, value: number])[];
}

export interface Panel {
  readonly title: string;
  readonly along: string;
  /** The values of the axis that were measured. */
  readonly ticks: readonly number[];
  readonly lines: readonly Line[];
  /** Why a line ends before the others. */
  readonly note?: string;
}

const ALONG: Readonly<Record<Axis, string>> = {
  rows: 'rows of the batch',
  latents: 'height and width of the latents',
  threads: 'threads',
  steps: 'steps of the run',
  share: 'share of the run that is injected',
};

/** In order, two per row. */
const PANELS: readonly (readonly [what: 'time' | 'memory', axis: Axis])[] = [
  ['time', 'rows'],
  ['memory', 'rows'],
  ['time', 'latents'],
  ['memory', 'latents'],
  ['time', 'share'],
  ['memory', 'share'],
  ['time', 'steps'],
  ['time', 'threads'],
];

export function panelsOf({ name }: Pick<Size, 'name'>, rows: readonly Row[]): Panel[] {
  return PANELS.flatMap(([what, axis]) => {
    const chosen = rows.filter((row) => row.size === name && row.axis === axis);
    return chosen.length === 0 ? [] : [panel(what, axis, chosen)];
  });
}

function panel(what: 'time' | 'memory', axis: Axis, rows: readonly Row[]): Panel {
  const values = rows.map((row) => valueOf(what, axis, row)).filter((value) => value !== undefined);
  const inSeconds = what === 'time' && Math.max(...values) >= 1;
  const factor = what === 'memory' ? 1e-9 : inSeconds ? 1 : 1000;
  const unit = what === 'memory' ? 'GB' : inSeconds ? 's' : 'ms';
  const of = what === 'memory' ? 'Peak memory' : axis === 'steps' ? 'Time of a run' : 'Time of a step';
  return {
    title: `${of}, ${unit}`,
    along: ALONG[axis],
    ticks: [...new Set(rows.map(({ at }) => at))].sort((a, b) => a - b),
    lines: linesOf(rows, (row) => {
      const value = valueOf(what, axis, row);
      return value === undefined ? undefined : factor * value;
    }),
    note: noteOf(axis, rows),
  };
}

/** In seconds or bytes. */
function valueOf(what: 'time' | 'memory', axis: Axis, { best, steps, peak }: Row): number | undefined {
  if (what === 'memory') return peak;
  return best === undefined ? undefined : best / 1000 / (axis === 'steps' ? 1 : steps);
}

function linesOf(rows: readonly Row[], valueOf: (row: Row) => number | undefined): Line[] {
  const lines = new Map<string, { backend: string; work: Row['work']; points: [number, number][] }>();
  for (const row of rows) {
    const { work, at } = row;
    const backend = row.backend.split(' ')[0]; // Without the version.
    const line = lines.get(`${backend} ${work}`) ?? { backend, work, points: [] };
    lines.set(`${backend} ${work}`, line);
    const value = valueOf(row);
    if (value !== undefined) line.points.push([at, value]);
  }
  return [...lines.values()];
}

function noteOf(axis: Axis, rows: readonly Row[]): string | undefined {
  const first = rows.find(({ stopped }) => stopped !== undefined);
  return (
    first &&
    `The authors' way needs ${first.stopped} at ${axis === 'latents' ? `${first.at}x${first.at}` : `${first.at} ${first.at === 1 ? axis.replace(/s$/, '') : axis}`}.`
  );
}
