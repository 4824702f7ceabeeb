import type { AttentionStore } from '../../attention/store';
import type { Band, Mark, Panel, Tile } from '../../image/layout';
import type { Picture } from '../../image/picture';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { drawFigure, enlargement } from '../figure';
import { isArticle, markedPrompt, markedWords, times } from './marks';
import type { MarkedWord } from './marks';
import type { EditSettings } from './settings';
import { lit, shown, wordMaps } from './wordMaps';

/** A source and its edits, ready to be laid out; in each list the source's panel is first. */
export interface EditPanels {
  /** Each picture over its prompt, with the marked words. */
  readonly pictures: readonly Panel[];
  /** Where the marked words look; nothing where none are. */
  readonly maps: readonly (Panel | undefined)[];
}

/**
 * @param prompts the source, then its targets; `pictures` too
 * @param store of the run that made them
 */
export async function editPanels(prompts: readonly TokenizedPrompt[], pictures: readonly Picture[], weights: EditSettings['weight'], store: AttentionStore): Promise<EditPanels> {
  const marked = markedWords(prompts, weights);
  return {
    pictures: prompts.map((prompt, i) => ({ tiles: [{ picture: shown(pictures[i]) }], prompt: markedPrompt(prompt, marked[i], markOf(i)) })),
    maps: await Promise.all(prompts.map((_, i) => mapPanel(store, i, pictures[i], marked[i]))),
  };
}

/**
 * The edits beside their source, where their marked words look, and what the prompts give without injection.
 *
 * @param fresh the targets' pictures without injection
 * @param notes what made the edit, a line each
 * @returns the bytes of a PNG file
 */
export function editFigure({ pictures, maps }: EditPanels, fresh: readonly Picture[], notes: readonly string[]): Buffer {
  const bands: Band[] = [{ panels: headed(pictures) }];
  if (fresh.length > 0) bands.push({ title: 'Without injection: each prompt afresh, from the same noise', panels: [{ tiles: [], notes }, ...fresh.map((picture) => ({ tiles: [{ picture: shown(picture) }] }))] });
  if (maps.some((panel) => panel)) bands.push({ title: 'Where the marked words look', panels: maps });
  return drawFigure(bands, columnWidth(pictures[0].tiles[0].picture));
}

/** How wide a figure's columns are for pictures of this size: as wide as these are, once enlarged. */
export function columnWidth(picture: Picture): number {
  return picture.width * enlargement(picture);
}

/** The panels with a heading each: the source, and the edits by number. */
export function headed(panels: readonly Panel[]): Panel[] {
  return panels.map((panel, i) => ({ ...panel, heading: i === 0 ? 'Source' : panels.length === 2 ? 'Edit' : `Edit ${i}` }));
}

/** What made an edit, a line each. */
export function notesOf({ seed, steps, sampler, guidance, cross, crossWord, self, blend, blendMinus }: EditSettings): string[] {
  const share = (range: number | readonly number[]): string => (typeof range === 'number' ? String(range) : range.join('–'));
  return [
    `Seed ${seed}`,
    `${steps} steps of ${sampler.toUpperCase()}`,
    `Guidance ${guidance}`,
    `Cross-attention ${share(cross)}`,
    ...Object.entries(crossWord).map(([word, range]) => `– of ${word} ${share(range)}`),
    `Self-attention ${share(self)}`,
    ...blend.map(([source, target]) => `Blend ${source} : ${target}`),
    ...blendMinus.map(([source, target]) => `– without ${source} : ${target}`),
  ];
}

/** An article looks nowhere of its own: it is shown only where nothing else was changed. */
async function mapPanel(store: AttentionStore, prompt: number, picture: Picture, marked: readonly MarkedWord[]): Promise<Panel | undefined> {
  const telling = marked.filter(({ piece }) => !isArticle(piece));
  const words = telling.length > 0 ? telling : marked;
  if (words.length === 0) return undefined;
  const maps = await wordMaps(store, prompt, words.map(({ piece }) => piece));
  return { tiles: words.map((word, i): Tile => ({ picture: lit(picture, maps[i]), caption: [{ text: word.piece.text + times(word), mark: markOf(prompt) }] })) };
}

function markOf(prompt: number): Mark {
  return prompt === 0 ? 'replaced' : 'changed';
}
