import type { AttentionStore } from '../attention/store';
import type { Band, Mark, Panel, Tile } from '../image/layout';
import type { MarkedWord } from '../image/marks';
import { isArticle, markedPrompt, markedWords, times } from '../image/marks';
import type { Picture } from '../image/picture';
import { wordMaps } from '../image/wordMaps';
import type { TokenizedPrompt } from '../text/tokenizer';
import { drawFigure } from './figure';
import { columnWidth, lit, shown } from './wordFigure';

/** Rows of pictures per row of edits: edited, without injection, and maps. */
const ROWS = 3;

/** What a figure of edits shows in addition to the pictures. */
export interface EditFigureOptions {
  /** The factors on the attention to words of the targets. */
  readonly weights?: Readonly<Record<string, number>>;
  /** The targets' pictures made without injection. */
  readonly fresh?: readonly Picture[];
  /** Lines that describe how the edit was made. */
  readonly notes?: readonly string[];
}

/**
 * Draws edits beside their source: the pictures above their prompts with the changed words marked, the pictures that
 * the prompts give without injection, and where the attention to the marked words is.
 *
 * @param pictures the source's, then the targets'
 * @param prompts these pictures' prompts, tokenized: the `prompts` of `promptToPrompt`
 * @param store the store of the run that made them
 * @returns the bytes of a PNG file
 * @throws RangeError unless there is a picture for each prompt
 */
export async function editFigure(
  pictures: readonly Picture[],
  prompts: readonly TokenizedPrompt[],
  store: AttentionStore,
  { weights = {}, fresh = [], notes = [] }: EditFigureOptions = {},
): Promise<Buffer> {
  return drawEdits(await editPanels(pictures, prompts, store, weights), fresh, notes);
}

/** A source and its edits, ready for layout; each list starts with the source's panel. */
export interface EditPanels {
  /** Each picture above its prompt, with the changed words marked. */
  readonly pictures: readonly Panel[];
  /** Where the attention to the marked words is; undefined if no words are marked. */
  readonly maps: readonly (Panel | undefined)[];
}

/** The panels of {@link editFigure}. */
export async function editPanels(
  pictures: readonly Picture[],
  prompts: readonly TokenizedPrompt[],
  store: AttentionStore,
  weights: Readonly<Record<string, number>>,
): Promise<EditPanels> {
  if (prompts.length === 0 || pictures.length !== prompts.length)
    throw new RangeError(
      `A figure of edits needs a picture for each prompt, the source's first: there are ${pictures.length} pictures and ${prompts.length} prompts.`,
    );
  const marked = markedWords(prompts, weights);
  return {
    pictures: prompts.map((prompt, i) => ({
      tiles: [{ picture: shown(pictures[i]) }],
      prompt: markedPrompt(prompt, marked[i], markOf(i)),
    })),
    maps: await Promise.all(prompts.map((_, i) => mapPanel(store, i, pictures[i], marked[i]))),
  };
}

/** Draws the figure of such panels. @returns the bytes of a PNG file */
export function drawEdits({ pictures, maps }: EditPanels, fresh: readonly Picture[], notes: readonly string[]): Buffer {
  const [source, ...edits] = headed(pictures);
  const across = editsAcross(edits.length);
  const bands: Band[] = [];
  for (let first = 0; first < Math.max(1, edits.length); first += across) {
    const row = <T>(panels: readonly T[]): T[] => panels.slice(first, first + across);
    // The source, its maps and the notes appear once, at the left of the first row.
    const left = <T>(panel: T): T | undefined => (first === 0 ? panel : undefined);
    bands.push({ panels: [left(source), ...row(edits)] });
    if (fresh.length > 0)
      bands.push({
        title: 'Without injection: each prompt afresh, from the same noise',
        panels: [
          left({ tiles: [], notes }),
          ...row(fresh).map((picture) => ({ tiles: [{ picture: shown(picture) }] })),
        ],
      });
    const looks = [left(maps[0]), ...row(maps.slice(1))];
    if (looks.some((panel) => panel)) bands.push({ title: 'Where the marked words look', panels: looks });
  }
  return drawFigure(bands, columnWidth(pictures[0].tiles[0].picture));
}

/** How many edits are side by side: at least five, and enough that a figure of many is about as wide as high. */
function editsAcross(edits: number): number {
  return Math.max(5, Math.ceil(Math.sqrt(ROWS * edits)));
}

/** Adds headings to the panels: the source, and the edits by number. */
export function headed(panels: readonly Panel[]): Panel[] {
  return panels.map((panel, i) => ({
    ...panel,
    heading: i === 0 ? 'Source' : panels.length === 2 ? 'Edit' : `Edit ${i}`,
  }));
}

/** An article has no place of its own in the picture, so its map is shown only if nothing else was changed. */
async function mapPanel(
  store: AttentionStore,
  index: number,
  picture: Picture,
  marked: readonly MarkedWord[],
): Promise<Panel | undefined> {
  const telling = marked.filter(({ word }) => !isArticle(word));
  const words = telling.length > 0 ? telling : marked;
  if (words.length === 0) return undefined;
  const maps = await wordMaps(
    store,
    index,
    words.map(({ word }) => word),
  );
  return {
    tiles: words.map(
      (word, i): Tile => ({
        picture: lit(picture, maps[i]),
        caption: [{ text: word.word.name + times(word), mark: markOf(index) }],
      }),
    ),
  };
}

function markOf(prompt: number): Mark {
  return prompt === 0 ? 'replaced' : 'changed';
}
