import { dirname, join } from 'node:path';
import type { SKRSContext2D } from '@napi-rs/canvas';
import { createCanvas, GlobalFonts, ImageData } from '@napi-rs/canvas';
import type { Band, Layout, Mark, TextStyle } from '../image/layout';
import { layOut } from '../image/layout';
import { fontOf, type Painter, paint, type Weight, widthOf } from '../image/paint';
import type { Picture } from '../image/picture';

/** Of a figure: 400 MB to draw, and what a canvas can hold. */
const MAX_PIXELS = 100e6;
const MAX_SIDE = 32_000;
/** Columns are not made narrower than that. */
const LEAST_COLUMN = 64;

/** Comes with the package. */
const FONTS = join(__dirname, '../../fonts');

/**
 * Draws a figure. The fonts come with the package, so that a figure needs none of the machine's: Inter for the Latin,
 * Greek and Cyrillic scripts, Noto for Chinese, Japanese, Korean, Thai and emoji. Other scripts are drawn where the
 * machine has Noto's fonts or DejaVu for them.
 *
 * @param columnWidth how wide a column of pictures is drawn, in pixels; less where the figure would become too large
 * @returns the bytes of a PNG file
 */
export function drawFigure(bands: readonly Band[], columnWidth: number): Buffer {
  const layout = fittedLayout(bands, columnWidth);
  const canvas = createCanvas(layout.width, layout.height);
  const context = canvas.getContext('2d');
  paint(layout, painterOn(context));
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
  const painter = painterOn(createCanvas(1, 1).getContext('2d'));
  return layOut(bands, columnWidth, (text, style, mark, unit) => widthOf(painter, text, style, mark, unit));
}

/** The whole number by which a picture is enlarged so that its pixels stay square and its shorter side is about 256. */
export function enlargement({ width, height }: Picture): number {
  return Math.max(1, Math.round(256 / Math.min(width, height)));
}

/** @internal The font of a style, as a canvas takes it. */
export function font(style: TextStyle, mark: Mark = 'plain', unit = 1): string {
  return fontOf(fontAt, style, mark, unit);
}

/** The canvas has what the DOM's has, as far as figures need it. */
function painterOn(context: SKRSContext2D): Painter {
  return { context: context as unknown as CanvasRenderingContext2D, font: fontAt, imageOf };
}

function imageOf({ data, width, height }: Picture): CanvasImageSource {
  const canvas = createCanvas(width, height);
  canvas.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
  return canvas as unknown as CanvasImageSource;
}

function fontAt(weight: Weight, size: number): string {
  return `${size}px ${families(weight)}, sans-serif`;
}

const registered = new Map<Weight, string>();

/**
 * Registers a weight's files, one a script, and names them for the canvas: a character comes from the first that has
 * it.
 */
function families(weight: Weight): string {
  const known = registered.get(weight);
  if (known) return known;
  const inter = join(dirname(require.resolve('@fontsource/inter/package.json')), 'files');
  // Under a family of its own for each weight, as not every version of the canvas finds a weight by its number.
  const ofWeight = ['latin', 'latin-ext', 'cyrillic', 'cyrillic-ext', 'greek', 'greek-ext', 'vietnamese'].map(
    (script) => registerFont(`p2p ${weight} ${script}`, join(inter, `inter-${script}-${weight}-normal.woff2`)),
  );
  const names = [...ofWeight, ...otherFamilies()].map((family) => `"${family}"`).join(', ');
  registered.set(weight, names);
  return names;
}

/** What Inter lacks, in regular weight: from the package, then from the machine's fonts that are made to have the rest. */
function otherFamilies(): string[] {
  const ours = ['sans-jp-japanese', 'sans-sc-chinese-simplified', 'sans-kr-korean', 'sans-thai-thai', 'emoji-emoji'];
  const machines = GlobalFonts.families.map(({ family }) => family);
  return [
    ...ours.map((name) => registerFont(`p2p ${name}`, join(FONTS, `noto-${name}-400-normal.woff2`))),
    ...machines.filter((family) => /^Noto |^DejaVu Sans$|Unicode|Unifont/.test(family)),
  ];
}

function registerFont(family: string, path: string): string {
  if (!GlobalFonts.has(family) && !GlobalFonts.registerFromPath(path, family))
    throw new Error(`The font ${path} cannot be read: install the package again (npm ci).`);
  return family;
}
