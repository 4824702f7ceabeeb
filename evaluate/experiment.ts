import type { Panel } from '../src/image/layout';
import type { HeldOut } from './heldOut';
import type { Studio } from './studio';

/** One measurement: a number, or several that belong together. */
export interface Sample {
  /** The figure it belongs to: see `figures.ts`. */
  readonly figure: string;
  /** Samples of one group share a noise or a source. */
  readonly group: number;
  readonly values: readonly number[];
}

/** The results of one run of the model. */
export interface Outcome {
  readonly samples: readonly Sample[];
  /** Pictures to look at. */
  readonly panels: readonly Panel[];
}

/** Runs that do not depend on one another: any process may do any of them, in any order. */
export interface Experiment {
  readonly name: string;
  runs(heldOut: HeldOut): number;
  run(studio: Studio, index: number): Promise<Outcome>;
  /** Columns of the sheet of its pictures, and how many pictures it has at most. */
  readonly sheet?: { readonly columns: number; readonly most: number };
}

/** A sample, unless one of its values could not be measured: if things fill a picture, there is no background. */
export function sample(figure: string, group: number, ...values: (number | undefined)[]): Sample[] {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? [{ figure, group, values: known }] : [];
}
