import { createCanvas } from '@napi-rs/canvas';
import { PNG } from 'pngjs';
import type { Band } from '../../src/image/layout';
import { drawFigure, enlargement, font, layoutFigure } from '../../src/node/figure';

const black = (width: number, height: number) => ({
  width,
  height,
  data: new Uint8ClampedArray(width * height * 4).map((_, i) => (i % 4 === 3 ? 255 : 0)),
});
const long =
  'ein Kater auf einem Fahrrad, кошка на велосипеде, μια γάτα με ποδήλατο, Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen über allem, und so weiter und so fort';

const figure: Band[] = [
  {
    title: long,
    panels: [
      {
        heading: 'Source',
        tiles: [{ picture: black(16, 9), caption: [{ text: 'bicycle', mark: 'replaced' }] }],
        prompt: [{ text: long }],
      },
      {
        heading: 'Edit 1',
        tiles: [{ picture: black(16, 9) }, { picture: black(16, 9) }],
        prompt: [{ text: 'Wim', mark: 'changed' }, { text: '. jgyq' }],
        notes: [long],
      },
    ],
  },
];

/** Whether any pixel of the rectangle is not white. */
function inked(png: PNG, x: number, y: number, width: number, height: number): boolean {
  for (let row = Math.floor(y); row < y + height; row++) {
    for (let column = Math.floor(x); column < x + width; column++) {
      if (
        png.data
          .subarray((row * png.width + column) * 4, (row * png.width + column) * 4 + 3)
          .some((value) => value < 250)
      )
        return true;
    }
  }
  return false;
}

test.each([200, 256, 512])(
  'a figure with columns of %i pixels shows every text, and its margins stay empty',
  (columnWidth) => {
    const layout = layoutFigure(figure, columnWidth);
    const png = PNG.sync.read(drawFigure(figure, columnWidth));
    expect([png.width, png.height]).toEqual([layout.width, layout.height]);
    const margin = 20 * layout.unit;
    expect(inked(png, 0, 0, png.width, margin)).toBe(false);
    expect(inked(png, 0, png.height - margin, png.width, margin)).toBe(false);
    expect(inked(png, 0, 0, margin, png.height)).toBe(false);
    expect(inked(png, png.width - margin, 0, margin, png.height)).toBe(false);
    for (const { text, x, y, width, height } of layout.texts.filter(({ text }) => text.trim()))
      expect([text, inked(png, x, y, width, height)]).toEqual([text, true]);
  },
);

test('text is drawn in a font that has the letters: each is as wide as it should be', () => {
  const widthOf = (text: string, mark: 'plain' | 'changed' = 'plain'): number =>
    layoutFigure([{ panels: [{ tiles: [], prompt: [{ text, mark }] }] }], 500).texts[0].width;
  expect(widthOf('iiii')).toBeLessThan(widthOf('WWWW') / 2);
  expect(widthOf('ііії')).toBeLessThan(widthOf('ЖЖЖЖ') / 2);
  expect(widthOf('ιιιι')).toBeLessThan(widthOf('ΩΩΩΩ') / 2);
  expect(widthOf('bicycle', 'changed')).toBeGreaterThan(widthOf('bicycle'));
});

test('small pictures are enlarged by whole numbers', () => {
  expect([black(64, 64), black(64, 128), black(128, 96), black(512, 512)].map(enlargement)).toEqual([4, 4, 3, 1]);
});

test.each([
  ...'cat\u00e9\u0416\u03a9',
  ...'\u732b\u9ed2\u9ed1\u8f66\u304b\u30ab\uac15\u0e41',
  '\u{1F431}',
  '\u{1F697}',
])('the fonts that come along have %s, in every style', (character) => {
  const drawn = (text: string, style: 'title' | 'caption', mark: 'plain' | 'changed'): Buffer => {
    const context = createCanvas(60, 60).getContext('2d');
    context.font = font(style, mark, 2);
    context.fillText(text, 5, 45);
    return Buffer.from(context.getImageData(0, 0, 60, 60).data);
  };
  // What no font has is drawn as a box.
  for (const style of ['title', 'caption'] as const)
    for (const mark of ['plain', 'changed'] as const)
      expect(drawn(character, style, mark)).not.toEqual(drawn('\u{10fffd}', style, mark));
});
