import type { SKRSContext2D } from '@napi-rs/canvas';
import { dot, GRID, INK, stroke, whiteCanvas, write } from '../scripts/drawing';
import type { Shares } from '../src/edits/prompt-to-prompt/shares';
import { upTo } from './edits';
import type { Point } from './figures';
import type { Estimate } from './statistics';

/** All in pixels, drawn at twice the size. */
const [WIDTH, HEIGHT, SCALE] = [560, 320, 2];
const AREA = { left: 64, right: 496, top: 56, bottom: 256 };
const [BLUE, ORANGE] = ['#3b5b8c', '#b4430b'];

interface Line {
  readonly colour: string;
  readonly label: string;
  /** The side of its labels. */
  readonly side: 'left' | 'right';
  readonly most: number;
  readonly ticks: readonly (readonly [value: number, label: string])[];
  of(point: Point): Estimate;
}

/**
 * Plots swaps against the share of the run with injection, 0 to 1: recognition, and change outside the objects.
 *
 * @returns the bytes of a PNG file
 */
export function drawCurve(points: readonly Point[], shares: Shares): Buffer {
  const { self, context: words } = upTo(1, shares);
  const { canvas, context } = whiteCanvas(WIDTH, HEIGHT, SCALE);
  const most = Math.ceil(Math.max(...points.map(({ outside }) => outside.high)) / 10) * 10;
  const lines: Line[] = [
    {
      colour: BLUE,
      label: 'New object recognised',
      side: 'left',
      most: 1,
      ticks: [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share} %`]),
      of: ({ recognised }) => recognised,
    },
    {
      colour: ORANGE,
      label: 'Change outside the objects, of 255',
      side: 'right',
      most,
      ticks: [0, 0.25, 0.5, 0.75, 1].map((share) => [share * most, `${share * most}`]),
      of: ({ outside }) => outside,
    },
  ];
  lines.forEach((line) => drawAxis(context, line));
  points.forEach(({ share }) => write(context, `${share}`, [x(share), AREA.bottom + 18], INK, 'center'));
  write(
    context,
    `Share of the run in which attention is injected (self × ${self}, context × ${words})`,
    [(AREA.left + AREA.right) / 2, AREA.bottom + 44],
    INK,
    'center',
  );
  lines.forEach((line) => drawLine(context, line, points));
  return canvas.toBuffer('image/png');
}

function x(share: number): number {
  return AREA.left + 16 + share * (AREA.right - AREA.left - 32);
}

function y(value: number, most: number): number {
  return AREA.bottom - (value / most) * (AREA.bottom - AREA.top);
}

function drawAxis(context: SKRSContext2D, { colour, label, side, most, ticks }: Line): void {
  const [at, out] = side === 'left' ? [AREA.left, -8] : [AREA.right, 8];
  const align = side === 'left' ? 'right' : 'left';
  ticks.forEach(([value, text]) => {
    write(context, text, [at + out, y(value, most) + 4], colour, align);
    if (side === 'left')
      stroke(
        context,
        GRID,
        [
          [AREA.left, y(value, most)],
          [AREA.right, y(value, most)],
        ],
        1,
      );
  });
  write(context, label, [side === 'left' ? 16 : WIDTH - 16, 28], colour, side === 'left' ? 'left' : 'right', 'title');
}

function drawLine(context: SKRSContext2D, { colour, most, of }: Line, points: readonly Point[]): void {
  stroke(
    context,
    colour,
    points.map((point) => [x(point.share), y(of(point).value, most)]),
    2,
  );
  for (const point of points) {
    const { value, low, high } = of(point);
    stroke(
      context,
      colour,
      [
        [x(point.share), y(low, most)],
        [x(point.share), y(high, most)],
      ],
      1,
    );
    dot(context, colour, [x(point.share), y(value, most)]);
  }
}
