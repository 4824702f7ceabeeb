import type { AttentionStore } from '../attention/store';
import type { HeatMap } from '../image/heatMap';
import { overlayHeat } from '../image/heatMap';
import type { Band, Panel } from '../image/layout';
import type { Picture } from '../image/picture';
import { enlarge } from '../image/picture';
import { wordMaps } from '../image/wordMaps';
import type { TokenizedPrompt } from '../text/tokenizer';
import { wordsOf } from '../text/words';
import { drawFigure, enlargement } from './figure';

/** Panels side by side. */
const COLUMNS = 5;

/** The options of a figure of words. */
export interface WordFigureOptions {
  /** Which of the run's prompts to show (default: 0, the source). */
  readonly index?: number;
  /** Small print under the picture. */
  readonly caption?: string;
}

/**
 * Draws where the attention to every word of a prompt is: the picture, then a heat map over it for each word.
 *
 * @param picture the picture from the run whose maps the store holds
 * @returns the bytes of a PNG file
 * @throws if the store has no maps of that prompt
 */
export async function wordFigure(
  picture: Picture,
  prompt: TokenizedPrompt,
  store: AttentionStore,
  { index = 0, caption }: WordFigureOptions = {},
): Promise<Buffer> {
  const words = wordsOf(prompt);
  const maps = await wordMaps(store, index, words);
  const panels: Panel[] = [
    {
      tiles: [
        { picture: shown(picture), caption: caption === undefined ? undefined : [{ text: caption, mark: 'quiet' }] },
      ],
    },
    ...maps.map((map, i) => ({
      tiles: [{ picture: lit(picture, map), caption: [{ text: words[i].name, mark: 'changed' as const }] }],
    })),
  ];
  return drawFigure(inRows(prompt.text, panels), columnWidth(picture));
}

/** The picture as shown in figures: small ones are enlarged. */
export function shown(picture: Picture): Picture {
  return enlarge(picture, enlargement(picture));
}

/** The picture, enlarged, with the map over it. */
export function lit(picture: Picture, map: HeatMap): Picture {
  return overlayHeat(shown(picture), map);
}

/** The width of a figure's columns for pictures of this size: that of the enlarged picture. */
export function columnWidth(picture: Picture): number {
  return picture.width * enlargement(picture);
}

function inRows(title: string, panels: readonly Panel[]): Band[] {
  const bands: Band[] = [];
  for (let first = 0; first < panels.length; first += COLUMNS) {
    bands.push({ title: first === 0 ? title : undefined, panels: panels.slice(first, first + COLUMNS) });
  }
  return bands;
}
