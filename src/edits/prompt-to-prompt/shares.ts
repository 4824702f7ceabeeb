import { EDIT_KINDS, type EditKind } from './alignment';
import { endOf, type StepRange } from './schedule';

/** For which part of a run a target takes something from its source. */
export interface Shares {
  /** Its cross-attention: where each word acts. */
  readonly cross: StepRange;
  /** Its self-attention: shapes and layout. */
  readonly self: StepRange;
  /** The meaning of the words that both prompts have. */
  readonly context: StepRange;
}

/** The shares for each kind of edit. */
export interface SharesByKind extends Readonly<Record<EditKind, Shares>> {
  /** Words, in lower case, that only describe a thing, such as colours: a swap of nothing else is `redescribe`. */
  readonly describing?: readonly string[];
}

/** What `of` makes of each kind of edit. */
export function mapEditKinds<T>(of: (kind: EditKind) => T): Record<EditKind, T> {
  return Object.fromEntries(EDIT_KINDS.map((kind) => [kind, of(kind)])) as Record<EditKind, T>;
}

/** The fraction of its maximum that a map must exceed to count as region, from the authors' code. */
export const BLEND_THRESHOLD = 0.3;

/** The longest part of a run for which any kind of edit takes self-attention: what a recording has to keep. */
export function longestSelf(shares: SharesByKind): number {
  return Math.max(...EDIT_KINDS.map((kind) => endOf(shares[kind].self)));
}

const AUTHORS: Shares = { cross: 0.8, self: 0.4, context: 0 };

/** The authors' own: those of the examples in their code, and of the paper, which injects only maps. */
export const AUTHORS_SHARES: SharesByKind = mapEditKinds(() => AUTHORS);
