import type { SKRSContext2D } from '@napi-rs/canvas';
import { dot, GRID, INK, type Place, stroke, whiteCanvas, write } from '../../scripts/drawing';
import type { Line, Panel } from './panels';

/** In pixels; drawn at twice the size. */
const [WIDTH, HEIGHT, COLUMNS, SCALE] = [440, 264, 2, 2];
const HEAD = 92;
/** The area of a panel's lines, relative to its corner. */
const AREA = { left: 56, right: 420, top: 58, bottom: 210 };
const MUTED = '#64748b';

/** A line's colour stands for its backend; lines of plain runs are dashed. */
const KINDS: readonly {
  readonly backend: string;
  readonly colour: string;
  readonly edit: string;
  readonly plain: string;
}[] = [
  { backend: 'node', colour: '#3b5b8c', edit: 'node: an edit', plain: 'node: a run without one' },
  { backend: 'wasm', colour: '#0f8a6d', edit: 'wasm: an edit', plain: 'wasm: a run without one' },
  {
    backend: 'PyTorch',
    colour: '#b4430b',
    edit: "PyTorch: an edit, the authors' way",
    plain: 'PyTorch: a run without one, fused attention',
  },
];
const DASH: Readonly<Record<Line['work'], readonly number[]>> = { edit: [], plain: [5, 4] };

/** Panels side by side, under one title and legend. @returns the bytes of a PNG file */
export function drawPanels(title: string, panels: readonly Panel[]): Buffer {
  const { canvas, context } = whiteCanvas(COLUMNS * WIDTH, HEAD + Math.ceil(panels.length / COLUMNS) * HEIGHT, SCALE);
  write(context, title, [16, 26], INK, 'left', 'title');
  drawLegend(context, panels);
  panels.forEach((panel, i) => {
    context.save();
    context.translate((i % COLUMNS) * WIDTH, HEAD + Math.floor(i / COLUMNS) * HEIGHT);
    drawPanel(context, panel);
    context.restore();
  });
  return canvas.toBuffer('image/png');
}

/** One column per colour in use, one entry per kind of run. */
function drawLegend(context: SKRSContext2D, panels: readonly Panel[]): void {
  const there = KINDS.filter(({ backend }) =>
    panels.some(({ lines }) => lines.some((line) => line.backend === backend)),
  );
  there.forEach(({ colour, ...labels }, column) =>
    (['edit', 'plain'] as const).forEach((work, row) => {
      const [x, y] = [16 + column * 250, 52 + 20 * row];
      stroke(
        context,
        colour,
        [
          [x, y - 4],
          [x + 28, y - 4],
        ],
        2,
        DASH[work],
      );
      write(context, labels[work], [x + 36, y], INK, 'left');
    }),
  );
}

function drawPanel(context: SKRSContext2D, { title, along, ticks, lines, note }: Panel): void {
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const step = niceStep(most / 5);
  const top = Math.ceil(most / step) * step;
  const place = (at: number, value: number): Place => [
    AREA.left + 12 + (at / Math.max(...ticks)) * (AREA.right - AREA.left - 24),
    AREA.bottom - (value / top) * (AREA.bottom - AREA.top),
  ];
  write(context, title, [16, 20], INK, 'left', 'title');
  if (note) write(context, note, [16, 40], MUTED, 'left');
  for (let i = 0; i * step <= top * 1.001; i++) {
    const [, y] = place(0, i * step);
    stroke(
      context,
      GRID,
      [
        [AREA.left, y],
        [AREA.right, y],
      ],
      1,
    );
    write(context, `${Number((i * step).toPrecision(6))}`, [AREA.left - 8, y + 4], INK, 'right');
  }
  ticks.forEach((at) => write(context, `${at}`, [place(at, 0)[0], AREA.bottom + 18], INK, 'center'));
  write(context, along, [(AREA.left + AREA.right) / 2, AREA.bottom + 38], MUTED, 'center');
  lines.forEach((line) => drawLine(context, line, place));
}

function drawLine(
  context: SKRSContext2D,
  { backend, work, points }: Line,
  place: (at: number, value: number) => Place,
): void {
  const colour = KINDS.find((kind) => kind.backend === backend)?.colour ?? INK;
  const path = points.map(([at, value]) => place(at, value));
  stroke(context, colour, path, 2, DASH[work]);
  path.forEach((where) => dot(context, colour, where, work === 'edit' ? 3.5 : 2.5));
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((step) => step * power >= least * 0.999) ?? 10);
}
