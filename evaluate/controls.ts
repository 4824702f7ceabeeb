/**
 * What an edit takes from its source: for how many times as many steps as an edit usually takes cross-attention, the
 * whole run at most.
 */
export interface Control {
  /** The cross-attention itself. */
  readonly cross: number;
  /** The self-attention. */
  readonly self: number;
  /** The meaning of the words that both prompts have. */
  readonly context: number;
}

/**
 * What suits each kind of edit. The context keeps surroundings as they were, which is what a swap wants; where a place
 * is added, the words that stay go on saying a picture without it, and hold it back; a time of day comes all the same,
 * and a colour mostly. The noun that a colour is added to keeps its own meaning all along. Where only weights differ,
 * so that there is nothing new to look at, they count to the end: in steps without them, what they took away comes
 * back.
 */
export const CONTROLS = {
  swap: { cross: 1, self: 0.75, context: 1.25 },
  place: { cross: 1, self: 0.75, context: 0.5 },
  time: { cross: 1, self: 0.25, context: 1.25 },
  colour: { cross: 0.7, self: 0.2, context: 1.15 },
  weight: { cross: 1.25, self: 0.6, context: 0 },
} as const satisfies Readonly<Record<string, Control>>;

/** For what shares of the run, where an edit usually takes cross-attention for `usual` of it. */
export function sharesOf(usual: number, control: Control): Control {
  const share = (times: number): number => Number(Math.min(1, usual * times).toFixed(3));
  return { cross: share(control.cross), self: share(control.self), context: share(control.context) };
}
