import type { AttentionStore } from '../../attention/store';
import type { Band, Mark, Panel, Tile } from '../../image/layout';
import type { Picture } from '../../image/picture';
import type { TokenizedPrompt } from '../../text/tokenizer';
import { drawFigure, enlargement } from '../figure';
import { markedPrompt, markedWords, times } from './marks';
import type { MarkedWord } from './marks';
import type { EditSettings } from './settings';
import { lit, shown, wordMaps } from './wordMaps';

/** What an edit made. Of `prompts` and `pictures` the source's are first. */
export interface Edited {
  readonly settings: EditSettings;
  readonly prompts: readonly TokenizedPrompt[];
  readonly pictures: readonly Picture[];
  /** Of each target, without injection. */
  readonly fresh: readonly Picture[];
  readonly store: AttentionStore;
}

/** The edits beside their source, the same prompts without injection, and where the changed words look. @returns the bytes of a PNG file */
export async function editFigure({ settings, prompts, pictures, fresh, store }: Edited): Promise<Buffer> {
  const marked = markedWords(prompts, settings.weight);
  const bands: Band[] = [
    { panels: editPanels(prompts, pictures, marked) },
    { title: 'Without injection: each prompt afresh, from the same noise', panels: [{ tiles: [], notes: notes(settings) }, ...fresh.map((picture) => ({ tiles: [{ picture: shown(picture) }] }))] },
  ];
  if (marked.some((words) => words.length > 0)) {
    const panels = await Promise.all(prompts.map((_, i) => mapPanel(store, i, pictures[i], marked[i])));
    bands.push({ title: 'Where the changed words look', panels });
  }
  return drawFigure(bands, columnWidth(pictures[0]));
}

/** How wide a figure's columns are for pictures of this size: as wide as these are, once enlarged. */
export function columnWidth(picture: Picture): number {
  return picture.width * enlargement(picture);
}

/** The source and its edits, each over its prompt with the marked words. */
export function editPanels(prompts: readonly TokenizedPrompt[], pictures: readonly Picture[], marked: readonly MarkedWord[][]): Panel[] {
  return prompts.map((prompt, i) => ({
    heading: i === 0 ? 'Source' : prompts.length === 2 ? 'Edit' : `Edit ${i}`,
    tiles: [{ picture: shown(pictures[i]) }],
    prompt: markedPrompt(prompt, marked[i], markOf(i)),
  }));
}

async function mapPanel(store: AttentionStore, prompt: number, picture: Picture, words: readonly MarkedWord[]): Promise<Panel | undefined> {
  if (words.length === 0) return undefined;
  const maps = await wordMaps(store, prompt, words.map(({ piece }) => piece));
  return { tiles: words.map((word, i): Tile => ({ picture: lit(picture, maps[i]), caption: [{ text: word.piece.text + times(word), mark: markOf(prompt) }] })) };
}

function markOf(prompt: number): Mark {
  return prompt === 0 ? 'replaced' : 'changed';
}

/** What made the edit, a line each. */
function notes({ seed, steps, sampler, guidance, cross, crossWord, self, blend, blendMinus }: EditSettings): string[] {
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
