import { type Frame, type Owner, type Profile, treeOf } from './tree';

/** In pixels. */
const [WIDTH, LINE, MARGIN, HEAD] = [1200, 17, 10, 54];
/** Frames below this share of the total time, or deeper than this, are not drawn. */
const [LEAST, DEPTH] = [0.002, 60];
const COLOURS: Readonly<Record<Owner, { readonly fill: string; readonly label: string }>> = {
  project: { fill: '#c9d8ee', label: 'this project' },
  tfjs: { fill: '#fbdcc4', label: 'TensorFlow.js' },
  kernel: { fill: '#c3e6d8', label: 'kernels: WebAssembly, native code' },
  other: { fill: '#e5e7eb', label: 'Node, garbage collection' },
};

/**
 * A flame graph: callees above their caller, merged by name, each as wide as its time.
 *
 * @returns an SVG file's text
 */
export function flameGraph(title: string, profile: Profile): string {
  const root = treeOf(profile);
  const boxes: string[] = [];
  const deepest = place(
    root,
    { x: MARGIN, depth: 0, scale: (WIDTH - 2 * MARGIN) / root.time, least: LEAST * root.time },
    boxes,
  );
  const height = HEAD + (deepest + 1) * LINE + MARGIN;
  const legend = Object.values(COLOURS).map(
    ({ fill, label }, i) =>
      `<rect x="${MARGIN + i * 230}" y="32" width="12" height="12" fill="${fill}"/><text x="${MARGIN + 18 + i * 230}" y="42">${label}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11" fill="#1e293b">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="${MARGIN}" y="20" font-size="14" font-weight="600">${escape(title)}: ${(root.time / 1e6).toFixed(2)} s</text>
${legend.join('\n')}
<g transform="translate(0 ${height - MARGIN - LINE})">
${boxes.join('\n')}
</g>
</svg>
`;
}

interface Where {
  readonly x: number;
  readonly depth: number;
  /** Pixels per microsecond. */
  readonly scale: number;
  readonly least: number;
}

/** Draws a frame and what it called. @returns the depth of the deepest */
function place(frame: Frame, { x, depth, scale, least }: Where, boxes: string[]): number {
  boxes.push(box(frame, x, -depth * LINE, frame.time * scale));
  let [deepest, at] = [depth, x];
  const children = [...frame.children.values()].filter(({ time }) => time >= least).sort((a, b) => b.time - a.time);
  for (const child of depth < DEPTH ? children : []) {
    deepest = Math.max(deepest, place(child, { x: at, depth: depth + 1, scale, least }, boxes));
    at += child.time * scale;
  }
  return deepest;
}

function box({ name, owner, time }: Frame, x: number, y: number, width: number): string {
  const letters = Math.floor((width - 6) / 6.6);
  const text = letters < 3 ? '' : name.length <= letters ? name : `${name.slice(0, letters - 1)}…`;
  const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(width - 0.5, 0.5).toFixed(1)}" height="${LINE - 1}" fill="${COLOURS[owner].fill}"/>`;
  return `<g><title>${escape(name)}: ${(time / 1000).toFixed(0)} ms</title>${rect}${text ? `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escape(text)}</text>` : ''}</g>`;
}

const escape = (text: string): string =>
  text.replace(/[&<>]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[letter]!);
