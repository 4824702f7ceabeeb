import type { Picture } from 'prompt-to-prompt-tfjs';
import type { Recipe, Result } from '../engine/protocol';
import { type Band, layOut, overlayHeat, type Painter, type Panel, paint, type TextRun, widthOf } from '../library';
import { mapOf } from './looks';
import { kindOf, slotsOf } from './slots';

/** The width of a figure's columns, in pixels. */
const COLUMN = 320;

/**
 * Draws the source and its edit above their prompts, and where the changed words look, as a PNG like that of `p2p
 * edit`.
 */
export async function figureOf(recipe: Recipe, result: Result): Promise<Blob> {
  await Promise.all([400, 500, 600].map((weight) => document.fonts.load(`${weight} 16px Inter`)));
  const painter = painterOn(document.createElement('canvas').getContext('2d')!);
  const layout = layOut(bandsOf(recipe, result), COLUMN, (...what) => widthOf(painter, ...what));
  const canvas = Object.assign(document.createElement('canvas'), { width: layout.width, height: layout.height });
  paint(layout, painterOn(canvas.getContext('2d')!));
  return encoded(canvas);
}

export function pngOf(picture: Picture): Promise<Blob> {
  return encoded(imageOf(picture));
}

function encoded(canvas: HTMLCanvasElement): Promise<Blob> {
  const refused = new Error(`the browser gave no PNG of ${canvas.width}×${canvas.height} pixels.`);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(refused)), 'image/png'),
  );
}

function bandsOf(recipe: Recipe, { source, edit, looks }: Result): Band[] {
  const slots = slotsOf(recipe.source, recipe.target);
  const sides = [
    { picture: source, words: looks.source, side: 'source', mark: 'replaced', heading: 'Source' },
    { picture: edit, words: looks.edit, side: 'target', mark: 'changed', heading: 'Edit' },
  ] as const;
  const pictures: Panel[] = sides.map(({ picture, side, mark, heading }) => {
    const prompt = slots.flatMap((slot): TextRun[] => {
      const word = slot[side];
      return word === undefined ? [] : [{ text: ' ' }, { text: word, mark: kindOf(slot) === 'kept' ? 'plain' : mark }];
    });
    return { heading, tiles: [{ picture }], prompt };
  });
  const maps = sides.map(({ picture, words, side, mark }): Panel | undefined => {
    let place = 0;
    const tiles = slots.flatMap((slot) => {
      const word = slot[side];
      if (word === undefined) return [];
      const at = place++;
      if (kindOf(slot) === 'kept') return [];
      return [{ picture: overlayHeat(picture, mapOf(words, at)), caption: [{ text: word, mark }] }];
    });
    return tiles.length > 0 ? { tiles } : undefined;
  });
  const shown: Band[] = [{ panels: pictures }];
  return maps.some((panel) => panel) ? [...shown, { title: 'Where the changed words look', panels: maps }] : shown;
}

function painterOn(context: CanvasRenderingContext2D): Painter {
  return { context, font: (weight, size) => `${weight} ${size}px Inter, sans-serif`, imageOf };
}

function imageOf({ data, width, height }: Picture): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  canvas.getContext('2d')!.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  return canvas;
}
