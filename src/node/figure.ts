import { dirname, join } from 'node:path';
import type { SKRSContext2D } from '@napi-rs/canvas';
import { createCanvas, GlobalFonts, ImageData } from '@napi-rs/canvas';
import type { Band, Layout, Mark, TextStyle } from '../image/layout';
import { layOut } from '../image/layout';
import { fontOf, type Painter, paint, type Weight, widthOf } from '../image/paint';
import type { Picture } from '../image/picture';

/** The limits of a figure: 400 MB to draw, and the longest side of a canvas. */
const MAX_PIXELS = 100e6;
const MAX_SIDE = 32_000;
/** Columns narrower than this are not halved any further. */
const LEAST_COLUMN = 64;

/** The fonts that come with the package. */
const FONTS = join(__dirname, '../../fonts');

/**
 * Draws a figure. The fonts come with the package, so that a figure does not need the machine's: Inter for the Latin,
 * Greek and Cyrillic scripts, Noto for Chinese, Japanese, Korean, Thai and emoji. Other scripts need Noto or DejaVu
 * fonts on the machine.
 *
 * @param columnWidth the width of a column of pictures in pixels; reduced if the figure would become too large
 * @returns the bytes of a PNG file
 */
export function drawFigure(bands: readonly Band[], columnWidth: number): Buffer {
  const layout = fittedLayout(bands, columnWidth);
  const canvas = createCanvas(layout.width, layout.height);
  const context = canvas.getContext('2d');
  paint(layout, painterOn(context));
  return canvas.toBuffer('image/png');
}

/** Lays out columns of the requested width, halved until the figure is small enough to draw. */
function fittedLayout(bands: readonly Band[], columnWidth: number): Layout {
  const layout = layoutFigure(bands, columnWidth);
  const { width, height } = layout;
  const fits = width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
  return fits || columnWidth < LEAST_COLUMN ? layout : fittedLayout(bands, columnWidth / 2);
}

/** @internal A figure's layout, with text measured in the font it is drawn with. */
export function layoutFigure(bands: readonly Band[], columnWidth: number): Layout {
  const painter = painterOn(createCanvas(1, 1).getContext('2d'));
  return layOut(bands, columnWidth, (text, style, mark, unit) => widthOf(painter, text, style, mark, unit));
}

/** The whole-number factor that enlarges a picture so that its shorter side is about 256 pixels. */
export function enlargement({ width, height }: Picture): number {
  return Math.max(1, Math.round(256 / Math.min(width, height)));
}

/** @internal The font of a style, as a canvas font string. */
export function font(style: TextStyle, mark: Mark = 'plain', unit = 1): string {
  return fontOf(fontAt, style, mark, unit);
}

/** This canvas has everything from the DOM's that figures need. */
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
 * Registers a weight's files, one per script, and lists their families for the canvas, which uses the first that has a
 * character.
 */
function families(weight: Weight): string {
  const known = registered.get(weight);
  if (known) return known;
  const inter = join(dirname(require.resolve('@fontsource/inter/package.json')), 'files');
  // Each weight gets its own families, because not every version of the canvas selects a weight by its number.
  const ofWeight = ['latin', 'latin-ext', 'cyrillic', 'cyrillic-ext', 'greek', 'greek-ext', 'vietnamese'].map(
    (script) => registerFont(`p2p ${weight} ${script}`, join(inter, `inter-${script}-${weight}-normal.woff2`)),
  );
  const names = [...ofWeight, ...otherFamilies()].map((family) => `"${family}"`).join(', ');
  registered.set(weight, names);
  return names;
}

/**
 * Families for what Inter lacks, in regular weight: the package's, then those of the machine's fonts that cover many
 * scripts.
 */
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
