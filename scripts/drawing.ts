/** Draws lines and text of plots on a canvas, in the figures' font. */
import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { font } from '../src/node/figure';

export const INK = '#1e293b';
/** The colour of grid lines. */
export const GRID = '#e2e8f0';

export type Place = readonly [x: number, y: number];

/** A white canvas with its own units. @param scale pixels per unit */
export function whiteCanvas(
  width: number,
  height: number,
  scale: number,
): { readonly canvas: Canvas; readonly context: SKRSContext2D } {
  const canvas = createCanvas(width * scale, height * scale);
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  return { canvas, context };
}

/** @param dash lengths of strokes and gaps; default: a solid line */
export function stroke(
  context: SKRSContext2D,
  colour: string,
  path: readonly Place[],
  width: number,
  dash: readonly number[] = [],
): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash([...dash]);
  context.beginPath();
  path.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.stroke();
  context.setLineDash([]);
}

export function dot(context: SKRSContext2D, colour: string, [x, y]: Place, radius = 3.5): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

export function write(
  context: SKRSContext2D,
  text: string,
  [x, baseline]: Place,
  colour: string,
  align: 'left' | 'center' | 'right',
  style: 'title' | 'caption' = 'caption',
): void {
  context.font = font(style);
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(text, x, baseline);
}
