import type { Picture } from './picture';

/** How a piece of text is marked in a drawing. */
export type Mark = 'plain' | 'changed' | 'replaced' | 'quiet';

export interface TextRun {
  readonly text: string;
  readonly mark?: Mark;
}

export type TextStyle = 'title' | 'heading' | 'prompt' | 'caption';

/** A picture with a caption under it. */
export interface Tile {
  readonly picture: Picture;
  readonly caption?: readonly TextRun[];
}

/**
 * One column's part of a band: tiles in rows, within the column's width, and under them a prompt and lines of small
 * print.
 */
export interface Panel {
  readonly heading?: string;
  readonly tiles: readonly Tile[];
  readonly prompt?: readonly TextRun[];
  readonly notes?: readonly string[];
}

/** Panels side by side; an empty place stays empty. */
export interface Band {
  readonly title?: string;
  readonly panels: readonly (Panel | undefined)[];
}

/** Top-left corners and sizes in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PictureBox extends Box {
  readonly picture: Picture;
}

export interface TextBox extends Box {
  readonly text: string;
  readonly style: TextStyle;
  readonly mark: Mark;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** The scale of text and margins: 1 in columns of up to 320 pixels, up to 2 in wider ones. */
  readonly unit: number;
  readonly pictures: readonly PictureBox[];
  readonly texts: readonly TextBox[];
}

/** Measures the width in pixels of a text drawn in a style, at a unit. */
export type Measure = (text: string, style: TextStyle, mark: Mark, unit: number) => number;

/** Heights of a line, in units. */
const LINE: Record<TextStyle, number> = { title: 26, heading: 18, prompt: 22, caption: 19 };
const MAX_TILES_ACROSS = 3;
const MARGIN = 28;
const COLUMN_GAP = 20;
const TILE_GAP = 10;
const BAND_GAP = 24;
const TEXT_GAP = 8;

/**
 * Computes the layout of a figure: bands one below the other, their panels in columns of equal width, and text wrapped
 * to stay within its column.
 *
 * @param columnWidth in pixels; pictures are scaled to fit
 * @param measure measures a text's width as drawn
 */
export function layOut(bands: readonly Band[], columnWidth: number, measure: Measure): Layout {
  const unit = Math.min(2, Math.max(1, columnWidth / 320));
  const sheet = new Sheet(unit, measure);
  const columns = Math.max(1, ...bands.map((band) => band.panels.length));
  const margin = MARGIN * unit;
  const step = columnWidth + COLUMN_GAP * unit;
  const inner = columns * step - COLUMN_GAP * unit;

  let y = margin;
  bands.forEach((band, index) => {
    if (index > 0) y += BAND_GAP * unit;
    if (band.title) y = sheet.text([{ text: band.title }], 'title', margin, y, inner) + TEXT_GAP * unit;
    y = Math.max(
      y,
      ...band.panels.map((panel, column) => (panel ? sheet.panel(panel, margin + column * step, y, columnWidth) : y)),
    );
  });
  return {
    width: Math.ceil(inner + 2 * margin),
    height: Math.ceil(y + margin),
    unit,
    pictures: sheet.pictures,
    texts: sheet.texts,
  };
}

/** What has been placed so far. Each method places one item from `y` down and returns where it ends. */
class Sheet {
  readonly pictures: PictureBox[] = [];
  readonly texts: TextBox[] = [];

  constructor(
    private readonly unit: number,
    private readonly measure: Measure,
  ) {}

  panel({ heading, tiles, prompt, notes = [] }: Panel, x: number, y: number, width: number): number {
    if (heading) y = this.text([{ text: heading }], 'heading', x, y, width) + (TEXT_GAP / 2) * this.unit;
    const across = Math.min(MAX_TILES_ACROSS, Math.ceil(Math.sqrt(tiles.length)));
    const gap = TILE_GAP * this.unit;
    const tileWidth = (width - gap * (across - 1)) / across;
    for (let first = 0; first < tiles.length; first += across) {
      if (first > 0) y += gap;
      const row = tiles.slice(first, first + across);
      y = Math.max(...row.map((tile, i) => this.tile(tile, x + i * (tileWidth + gap), y, tileWidth)));
    }
    if (prompt) y = this.text(prompt, 'prompt', x, y + TEXT_GAP * this.unit, width);
    for (const note of notes) y = this.text([{ text: note, mark: 'quiet' }], 'caption', x, y, width);
    return y;
  }

  private tile({ picture, caption }: Tile, x: number, y: number, width: number): number {
    const height = (picture.height * width) / picture.width;
    this.pictures.push({ x, y, width, height, picture });
    return caption ? this.text(caption, 'caption', x, y + height + (TEXT_GAP / 2) * this.unit, width) : y + height;
  }

  text(runs: readonly TextRun[], style: TextStyle, x: number, y: number, width: number): number {
    const height = LINE[style] * this.unit;
    for (const line of wrap(runs, width, (text, mark) => this.measure(text, style, mark, this.unit))) {
      let left = x;
      for (const { text, mark, width: taken } of line) {
        this.texts.push({ x: left, y, width: taken, height, text, style, mark });
        left += taken;
      }
      y += height;
    }
    return y;
  }
}

interface Fragment {
  readonly text: string;
  readonly mark: Mark;
  readonly width: number;
}

/** Wraps text to `width`, breaking at spaces, and inside a word only if the word alone is wider than a line. */
function wrap(runs: readonly TextRun[], width: number, measure: (text: string, mark: Mark) => number): Fragment[][] {
  const lines: Fragment[][] = [];
  let line: Fragment[] = [];
  let used = 0;
  const endLine = (): void => {
    if (line.length > 0) lines.push(line);
    line = [];
    used = 0;
  };
  for (const word of words(runs)) {
    const fragments = word.flatMap(({ text, mark = 'plain' }) =>
      breakUp(text, width, (part) => measure(part, mark)).map((part) => ({
        text: part,
        mark,
        width: measure(part, mark),
      })),
    );
    const whole = fragments.reduce((sum, fragment) => sum + fragment.width, 0);
    const space = line.length > 0 ? measure(' ', 'plain') : 0;
    if (used + space + whole > width) endLine();
    else if (space > 0) {
      line.push({ text: ' ', mark: 'plain', width: space });
      used += space;
    }
    for (const fragment of fragments) {
      if (used + fragment.width > width) endLine();
      line.push(fragment);
      used += fragment.width;
    }
  }
  endLine();
  return lines;
}

/** Splits at spaces; a word may consist of several runs, such as `bicycle` and `.`. */
function words(runs: readonly TextRun[]): TextRun[][] {
  const result: TextRun[][] = [[]];
  for (const { text, mark } of runs) {
    text.split(/[^\S\u00a0]+/).forEach((part, i) => {
      if (i > 0) result.push([]);
      if (part) result[result.length - 1].push({ text: part, mark });
    });
  }
  return result.filter((word) => word.length > 0);
}

/** Splits a text into parts that each fit the width, but have at least one character. */
function breakUp(text: string, width: number, measure: (text: string) => number): string[] {
  if (measure(text) <= width) return [text];
  const parts: string[] = [];
  let part = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (part && measure(part + segment) > width) {
      parts.push(part);
      part = '';
    }
    part += segment;
  }
  return [...parts, part];
}
