/**
 * What is measured along each axis: the same points for this project and for its peer (peers/growth.py), from
 * sizes.json.
 */
import { readFileSync } from 'node:fs';

/** What grows. `share` is of the run: how much of it is injected. */
export type Axis = 'rows' | 'latents' | 'threads' | 'steps' | 'share';

/** One thing to measure, in a process of its own. */
export interface Point {
  readonly config: string;
  readonly tokens: number;
  /** A run of an edit, or one in which nothing looks into attention. */
  readonly work: 'edit' | 'plain';
  readonly rows: number;
  /** Height and width of the latents. */
  readonly latents: number;
  readonly steps: number;
  /** Of the run, in which an edit injects. */
  readonly share: number;
  readonly threads: number;
  /** After a first one that is not counted. */
  readonly runs: number;
}

/** A UNet's size, where its axes cross, and how far they go. */
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

/** Every point of every axis; those where axes cross come more than once. */
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

/** An edit needs a source and a target: two rows. Without one, only steps and shares say nothing new. */
function worksOf(axis: Axis, rows: number): Point['work'][] {
  if (rows === 1) return ['plain'];
  return axis === 'steps' || axis === 'share' ? ['edit'] : ['plain', 'edit'];
}
