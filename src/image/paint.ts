import type { Layout, Mark, PictureBox, TextBox, TextStyle } from './layout';
import type { Picture } from './picture';

const PAPER = '#ffffff';
const FRAME = 'rgba(15, 23, 42, 0.12)';
const CORNER = 6;

/** A weight of Inter, the font of figures. */
export type Weight = 400 | 500 | 600;

/** Size in pixels at unit 1, weight and colour of each style. */
const STYLES: Record<TextStyle, { size: number; weight: Weight; colour: string }> = {
  title: { size: 15, weight: 600, colour: '#0f172a' },
  heading: { size: 12, weight: 500, colour: '#64748b' },
  prompt: { size: 15, weight: 400, colour: '#1e293b' },
  caption: { size: 12.5, weight: 400, colour: '#475569' },
};

/** How a mark changes a style; `tint` is drawn behind the words. */
const MARKS: Record<Mark, { weight?: Weight; colour?: string; tint?: string }> = {
  plain: {},
  changed: { weight: 600, colour: '#b4430b', tint: '#fdeadb' },
  replaced: { weight: 600, colour: '#3b5b8c', tint: '#e6edf7' },
  quiet: { colour: '#7c8ba1' },
};

/** The drawing surface for figures, in Node and in browsers. */
export interface Painter {
  readonly context: CanvasRenderingContext2D;
  /** A weight of Inter at a size in pixels, as a canvas font string. */
  font(weight: Weight, size: number): string;
  imageOf(picture: Picture): CanvasImageSource;
}

/** Draws a figure from its layout. */
export function paint(layout: Layout, painter: Painter): void {
  const { context } = painter;
  context.fillStyle = PAPER;
  context.fillRect(0, 0, layout.width, layout.height);
  layout.pictures.forEach((box) => drawPicture(painter, box, layout.unit));
  layout.texts.forEach((box) => drawTint(painter, box, layout.unit));
  layout.texts.forEach((box) => drawText(painter, box, layout.unit));
}

/** The width of a text in the font it is drawn with, for measuring a layout. */
export function widthOf({ context, font }: Painter, text: string, style: TextStyle, mark: Mark, unit: number): number {
  context.font = fontOf(font, style, mark, unit);
  return context.measureText(text).width;
}

/** The font of a style, as a canvas font string. */
export function fontOf(font: Painter['font'], style: TextStyle, mark: Mark = 'plain', unit = 1): string {
  const { size, weight } = STYLES[style];
  return font(MARKS[mark].weight ?? weight, size * unit);
}

function drawPicture({ context, imageOf }: Painter, { picture, x, y, width, height }: PictureBox, unit: number): void {
  context.save();
  context.beginPath();
  context.roundRect(x, y, width, height, CORNER * unit);
  context.clip();
  context.imageSmoothingEnabled = width < picture.width;
  context.imageSmoothingQuality = 'high';
  context.drawImage(imageOf(picture), x, y, width, height);
  context.restore();
  context.strokeStyle = FRAME;
  context.lineWidth = unit;
  context.beginPath();
  context.roundRect(x + unit / 2, y + unit / 2, width - unit, height - unit, CORNER * unit);
  context.stroke();
}

function drawTint({ context }: Painter, { x, y, width, height, mark }: TextBox, unit: number): void {
  const { tint } = MARKS[mark];
  if (!tint) return;
  context.fillStyle = tint;
  context.beginPath();
  context.roundRect(x - 2 * unit, y + unit, width + 3.5 * unit, height - 2 * unit, 4 * unit);
  context.fill();
}

function drawText({ context, font }: Painter, { x, y, height, text, style, mark }: TextBox, unit: number): void {
  context.font = fontOf(font, style, mark, unit);
  context.fillStyle = MARKS[mark].colour ?? STYLES[style].colour;
  context.textBaseline = 'alphabetic';
  // Inter's capitals are 0.73 of its size high; this centres them in the line.
  context.fillText(text, x, y + height / 2 + 0.36 * STYLES[style].size * unit);
}
