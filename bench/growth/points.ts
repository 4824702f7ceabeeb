/** The points measured along each axis, from sizes.json: the same for this project and its peer (peers/growth.py). */
import { readFileSync } from 'node:fs';

/** What grows. `share` is the share of the run with injection. */
export type Axis = 'rows' | 'latents' | 'threads' | 'steps' | 'share';

/** One measurement, made in its own process. */
export interface Point {
  readonly config: string;
  readonly tokens: number;
  /** A run of an edit, or one without a controller. */
  readonly work: 'edit' | 'plain';
  readonly rows: number;
  /** Height and width of the latents. */
  readonly latents: number;
  readonly steps: number;
  /** The share of the run with injection. */
  readonly share: number;
  readonly threads: number;
  /** Not counting a first one. */
  readonly runs: number;
}

/** A UNet's size, the point where its axes cross, and the values along them. */
export interface Size {
  readonly name: string;
  readonly title: string;
  readonly config: string;
  /** Only with --full, and not on wasm, which would take an hour. */
  readonly full?: boolean;
  readonly tokens: number;
  readonly rows: number;
  readonly latents: number;
  /** Steps of the runs along `share`. */
  readonly shareSteps: number;
  readonly runs: number;
  readonly axes: Readonly<Partial<Record<Axis, readonly number[]>>>;
}

export function readSizes(): Size[] {
  return JSON.parse(readFileSync('bench/growth/sizes.json', 'utf8')) as Size[];
}

/** Every point of every axis; the point where the axes cross occurs more than once. */
export function pointsOf(
  { axes, ...size }: Size,
  cores: number,
): { readonly axis: Axis; readonly at: number; readonly point: Point }[] {
  const { config, tokens, rows, latents, shareSteps, runs } = size;
  const usual = { config, tokens, rows, latents, runs, steps: 1, share: 1, threads: cores };
  const withThreads = { ...axes, threads: [...new Set([1, cores])] };
  return (Object.entries(withThreads) as [Axis, readonly number[]][]).flatMap(([axis, values]) =>
    values.flatMap((at) => {
      const point = { ...usual, ...(axis === 'share' ? { steps: shareSteps } : {}), [axis]: at };
      return worksOf(axis, point.rows).map((work) => ({ axis, at, point: { ...point, work } }));
    }),
  );
}

/** An edit needs a source and a target, so two rows. A run without an edit shows nothing new along steps and shares. */
function worksOf(axis: Axis, rows: number): Point['work'][] {
  if (rows === 1) return ['plain'];
  return axis === 'steps' || axis === 'share' ? ['edit'] : ['plain', 'edit'];
}
