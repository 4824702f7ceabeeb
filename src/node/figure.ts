import { dirname, join } from 'node:path';
import type { SKRSContext2D } from '@napi-rs/canvas';
import { createCanvas, GlobalFonts, ImageData } from '@napi-rs/canvas';
import type { Band, Layout, Mark, PictureBox, TextBox, TextStyle } from '../image/layout';
import { layOut } from '../image/layout';
import type { Picture } from '../image/picture';

const PAPER = '#ffffff';
const FRAME = 'rgba(15, 23, 42, 0.12)';
const CORNER = 6;

/** Of a figure: 400 MB to draw, and what a canvas can hold. */
const MAX_PIXELS = 100e6;
const MAX_SIDE = 32_000;
/** Columns are not made narrower than that. */
const LEAST_COLUMN = 64;

type Weight = 400 | 500 | 600;

/** Size in pixels at unit 1, weight and colour of each style. */
const STYLES: Record<TextStyle, { size: number; weight: Weight; colour: string }> = {
  title: { size: 15, weight: 600, colour: '#0f172a' },
  heading: { size: 12, weight: 500, colour: '#64748b' },
  prompt: { size: 15, weight: 400, colour: '#1e293b' },
  caption: { size: 12.5, weight: 400, colour: '#475569' },
};

/** What a mark changes about a style; `tint` is laid under the words. */
const MARKS: Record<Mark, { weight?: Weight; colour?: string; tint?: string }> = {
  plain: {},
  changed: { weight: 600, colour: '#b4430b', tint: '#fdeadb' },
  replaced: { weight: 600, colour: '#3b5b8c', tint: '#e6edf7' },
  quiet: { colour: '#7c8ba1' },
};

/**
 * Draws a figure. The font comes with the package, so that a figure needs none of the machine's; characters which it
 * lacks (it has the Latin, Greek and Cyrillic scripts) are taken from the machine's, where it has them.
 *
 * @param columnWidth how wide a column of pictures is drawn, in pixels; less where the figure would become too large
 * @returns the bytes of a PNG file
 */
export function drawFigure(bands: readonly Band[], columnWidth: number): Buffer {
  const layout = fittedLayout(bands, columnWidth);
  const canvas = createCanvas(layout.width, layout.height);
  const context = canvas.getContext('2d');
  context.fillStyle = PAPER;
  context.fillRect(0, 0, layout.width, layout.height);
  layout.pictures.forEach((box) => drawPicture(context, box, layout.unit));
  layout.texts.forEach((box) => drawTint(context, box, layout.unit));
  layout.texts.forEach((box) => drawText(context, box, layout.unit));
  return canvas.toBuffer('image/png');
}

/** In columns as wide as asked for, or half as wide until the figure is of a size that can be drawn and looked at. */
function fittedLayout(bands: readonly Band[], columnWidth: number): Layout {
  const layout = layoutFigure(bands, columnWidth);
  const { width, height } = layout;
  const fits = width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
  return fits || columnWidth < LEAST_COLUMN ? layout : fittedLayout(bands, columnWidth / 2);
}

/** @internal Where a figure's parts go, with text measured in the font that draws it. */
export function layoutFigure(bands: readonly Band[], columnWidth: number): Layout {
  const context = createCanvas(1, 1).getContext('2d');
  return layOut(bands, columnWidth, (text, style, mark, unit) => {
    context.font = font(style, mark, unit);
    return context.measureText(text).width;
  });
}

/** The whole number by which a picture is enlarged so that its pixels stay square and its shorter side is about 256. */
export function enlargement({ width, height }: Picture): number {
  return Math.max(1, Math.round(256 / Math.min(width, height)));
}

function drawPicture(context: SKRSContext2D, { picture, x, y, width, height }: PictureBox, unit: number): void {
  const source = createCanvas(picture.width, picture.height);
  source.getContext('2d').putImageData(new ImageData(picture.data, picture.width, picture.height), 0, 0);
  context.save();
  context.beginPath();
  context.roundRect(x, y, width, height, CORNER * unit);
  context.clip();
  context.imageSmoothingEnabled = width < picture.width;
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, x, y, width, height);
  context.restore();
  context.strokeStyle = FRAME;
  context.lineWidth = unit;
  context.beginPath();
  context.roundRect(x + unit / 2, y + unit / 2, width - unit, height - unit, CORNER * unit);
  context.stroke();
}

function drawTint(context: SKRSContext2D, { x, y, width, height, mark }: TextBox, unit: number): void {
  const { tint } = MARKS[mark];
  if (!tint) return;
  context.fillStyle = tint;
  context.beginPath();
  context.roundRect(x - 2 * unit, y + unit, width + 3.5 * unit, height - 2 * unit, 4 * unit);
  context.fill();
}

function drawText(context: SKRSContext2D, { x, y, height, text, style, mark }: TextBox, unit: number): void {
  context.font = font(style, mark, unit);
  context.fillStyle = MARKS[mark].colour ?? STYLES[style].colour;
  context.textBaseline = 'alphabetic';
  // Inter's capitals are 0.73 of its size: this centres them in the line.
  context.fillText(text, x, y + height / 2 + 0.36 * STYLES[style].size * unit);
}

/** @internal The font of a style, as a canvas takes it. */
export function font(style: TextStyle, mark: Mark = 'plain', unit = 1): string {
  const { size, weight } = STYLES[style];
  return `${size * unit}px ${families(MARKS[mark].weight ?? weight)}, sans-serif`;
}

const registered = new Map<Weight, string>();

/**
 * Registers a weight's files, one a script, and names them for the canvas: a character comes from the first that has
 * it.
 */
function families(weight: Weight): string {
  const known = registered.get(weight);
  if (known) return known;
  const names = ['latin', 'latin-ext', 'cyrillic', 'cyrillic-ext', 'greek', 'greek-ext', 'vietnamese']
    .map((script) => registerFont(script, weight))
    .join(', ');
  registered.set(weight, names);
  return names;
}

/** Under a family of its own for each weight, as not every version of the canvas finds a weight by its number. */
function registerFont(script: string, weight: Weight): string {
  const folder = join(dirname(require.resolve('@fontsource/inter/package.json')), 'files');
  const family = `p2p ${weight} ${script}`;
  if (!GlobalFonts.registerFromPath(join(folder, `inter-${script}-${weight}-normal.woff2`), family))
    throw new Error(`The font in ${folder} cannot be read: install the packages again (npm ci).`);
  return `"${family}"`;
}
