import type { EditKind } from './alignment';
import type { StepRange } from './schedule';

/** For which part of a run a target takes something of its source. */
export interface Shares {
  /** Its cross-attention: where the words look. */
  readonly cross: StepRange;
  /** Its self-attention: shapes and layout. */
  readonly self: StepRange;
  /** The meaning of the words that both prompts have. */
  readonly context: StepRange;
}

/** What each kind of edit takes. */
export type SharesByKind = Readonly<Record<EditKind, Shares>>;

/** What part of its maximum a map must exceed to count as region, by the authors' code. */
export const BLEND_THRESHOLD = 0.3;

/** Up to where in a run the targets take self-attention, whatever the kind of edit: what a recording is to keep. */
export function longestSelf(shares: SharesByKind): number {
  return Math.max(...Object.values(shares).map(({ self }) => (typeof self === 'number' ? self : self[1])));
}

const AUTHORS: Shares = { cross: 0.8, self: 0.4, context: 0 };

/** The authors' own: those of their code's examples, and of the paper, which injects maps alone. */
export const AUTHORS_SHARES: SharesByKind = { replace: AUTHORS, refine: AUTHORS, reweight: AUTHORS };
