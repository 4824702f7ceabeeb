import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The words that the judge was trained on (`training/world/vocabulary.py`). */
export interface Vocabulary {
  readonly nouns: readonly string[];
  /** Each noun that can be coloured, with each colour: `red car`. */
  readonly coloured: readonly string[];
  readonly places: readonly string[];
  readonly times: readonly string[];
  readonly weathers: readonly string[];
  /** The styles of pictures and the materials of things, if the world has such words. */
  readonly styles?: readonly string[];
  readonly materials?: readonly string[];
  /** (rider, vehicle), (thing, place) and (colour, thing) that no training picture shows. */
  readonly neverSeen: readonly (readonly [string, string])[];
}

/** A caption, and everything that it explicitly asks for. */
export interface Prompt {
  readonly text: string;
  readonly things: readonly string[];
  readonly colours: readonly string[];
  /** Empty if the caption does not say. */
  readonly place: string;
  readonly time: string;
}

/** A source and its edits, each a noun swapped for another. */
export interface Swap {
  readonly source: string;
  readonly targets: readonly { readonly text: string; readonly swap: readonly [from: string, to: string] }[];
}

/** A source and its edits, each with a place, a time, a style, a colour (`red car`) or a material (`golden car`) added. */
export interface Addition {
  readonly source: string;
  readonly targets: readonly { readonly text: string; readonly asked: string }[];
}

/** The kinds of additions that change the whole picture, and those that change one thing. */
export const ALL_OVER = ['place', 'time', 'style'] as const;
export const ON_A_THING = ['colour', 'material'] as const;
export const ADDED = [...ALL_OVER, ...ON_A_THING] as const;

export function isOnAThing(kind: (typeof ADDED)[number]): boolean {
  return ON_A_THING.some((one) => one === kind);
}

export const WEIGHTED = ['snowy', 'blossom', 'fluffy'] as const;

/** The prompts that `training/held_out.py` drew. */
export interface HeldOut {
  readonly vocabulary: Vocabulary;
  readonly newCaptions: readonly Prompt[];
  readonly neverSeen: readonly Prompt[];
  readonly swaps: readonly Swap[];
  /** Only the kinds that the world has words for. */
  readonly added: Readonly<Partial<Record<(typeof ADDED)[number], readonly Addition[]>>>;
  readonly weighted: Readonly<Record<(typeof WEIGHTED)[number], readonly string[]>>;
}

/** The prompts for measuring, and those for choosing settings. */
export type PromptSet = 'held_out' | 'tuning';

/** @param folder the project's `evaluate` */
export function readHeldOut(folder: string, set: PromptSet = 'held_out'): HeldOut {
  return JSON.parse(readFileSync(join(folder, `${set}.json`), 'utf8')) as HeldOut;
}
