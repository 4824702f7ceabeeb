/** What an edit takes from its source besides cross-attention: for how many times as many steps as that, the whole run at most. */
export interface Control {
  /** The self-attention. */
  readonly self: number;
  /** The meaning of the words that both prompts have. */
  readonly context: number;
}

/**
 * What suits each kind of edit. The context keeps surroundings as they were, which is what a swap wants; where a word is added, the words
 * that stay go on saying a picture without it, and hold it back. The noun that a colour is added to keeps its own meaning all along.
 */
export const CONTROLS = {
  swap: { self: 1, context: 1.25 },
  place: { self: 1, context: 0.5 },
  time: { self: 1, context: 0 },
  colour: { self: 1, context: 0.375 },
  weight: { self: 1, context: 0 },
} as const satisfies Readonly<Record<string, Control>>;
