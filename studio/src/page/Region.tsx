import { signal } from '@preact/signals';
import type { Mask } from '../engine/protocol';
import { Slider } from './Controls';
import { brush, change, drag, model, outlined, recipe, region } from './state';

/** An ellipse as a region, for users who do not paint: its centre and size, in percent of the picture's. */
interface Ellipse {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
const ellipse = signal<Ellipse | undefined>(undefined);

/** What is being painted, until the pointer is lifted. */
const stroke = signal<Mask | undefined>(undefined);

/** Drawn over the edit: the outline of its region, which can also be painted here. */
export function Region() {
  const { width, height } = model.value!.grid;
  const cells = stroke.value ?? region.value;
  const isPainting = brush.value !== undefined;
  return (
    <svg
      class={`region${isPainting ? ' painting' : ''}`}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      onPointerDown={isPainting ? begin : undefined}
      onPointerMove={isPainting && stroke.value ? paint : undefined}
      onPointerUp={finish}
      onPointerCancel={finish}
    >
      {cells && (outlined.value || isPainting) && (
        <>
          <path class="veil" d={outside(cells, width)} />
          <path class="line back" d={outline(cells, width, height)} vector-effect="non-scaling-stroke" />
          <path class="line" d={outline(cells, width, height)} vector-effect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}

type Stroke = PointerEvent & { readonly currentTarget: SVGSVGElement };

function begin(event: Stroke): void {
  event.currentTarget.setPointerCapture(event.pointerId);
  const { width, height } = model.value!.grid;
  stroke.value = recipe.value!.mask ?? new Array<0>(width * height).fill(0);
  paint(event);
}

function paint({ currentTarget, clientX, clientY, shiftKey }: Stroke): void {
  const { left, top, width: wide, height: high } = currentTarget.getBoundingClientRect();
  const { width, height } = model.value!.grid;
  const [x, y] = [((clientX - left) / wide) * width, ((clientY - top) / high) * height];
  stroke.value = stroke.value!.map((cell, i) => {
    const distance = Math.hypot((i % width) + 0.5 - x, Math.floor(i / width) + 0.5 - y);
    return distance <= brush.value! ? (shiftKey ? 0 : 1) : cell;
  });
}

function finish(): void {
  if (!stroke.value) return;
  change({ mask: stroke.value.includes(1) ? stroke.value : undefined });
  stroke.value = undefined;
}

/** The edges of the region, including the picture's edge where the region reaches it. */
function outline(cells: Mask, width: number, height: number): string {
  const at = (x: number, y: number): number => (x >= 0 && y >= 0 && x < width && y < height ? cells[y * width + x] : 0);
  let path = '';
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      if (at(x, y) !== at(x, y - 1)) path += `M${x} ${y}h1`;
      if (at(x, y) !== at(x - 1, y)) path += `M${x} ${y}v1`;
    }
  }
  return path;
}

function outside(cells: Mask, width: number): string {
  return cells.map((cell, i) => (cell ? '' : `M${i % width} ${Math.floor(i / width)}h1v1h-1z`)).join('');
}

/** The cells whose centre is inside. */
function cellsIn({ x, y, width: wide, height: high }: Ellipse): Mask {
  const { width, height } = model.value!.grid;
  return Array.from({ length: width * height }, (_, i) => {
    const across = (((i % width) + 0.5) * 100) / width - x;
    const down = ((Math.floor(i / width) + 0.5) * 100) / height - y;
    return Math.hypot(across / (wide / 2), down / (high / 2)) <= 1 ? 1 : 0;
  });
}

const ELLIPSE: readonly { readonly name: keyof Ellipse; readonly label: string; readonly help: string }[] = [
  { name: 'x', label: 'Centre, from the left', help: 'Where the ellipse is' },
  { name: 'y', label: 'Centre, from the top', help: 'Where the ellipse is' },
  { name: 'width', label: 'Width', help: 'How wide the ellipse is' },
  { name: 'height', label: 'Height', help: 'How high the ellipse is' },
];

/** Sliders that move and resize the ellipse, also with the arrow keys. */
function EllipseSliders() {
  const now = ellipse.value!;
  return (
    <div role="group" aria-label="The ellipse">
      {ELLIPSE.map(({ name, label, help }) => (
        <Slider
          key={name}
          label={label}
          help={help}
          value={now[name]}
          min={0}
          max={100}
          step={1}
          show={(value) => `${value} %`}
          onInput={(value) => {
            ellipse.value = { ...now, [name]: value };
            const cells = cellsIn(ellipse.value);
            drag({ mask: cells.includes(1) ? cells : undefined });
          }}
        />
      ))}
    </div>
  );
}

/** The controls that keep the edit to a part of the picture. */
export function RegionFold() {
  const { blend, threshold, mask } = recipe.value!;
  const isPainting = brush.value !== undefined;
  return (
    <details class="fold" open={blend.length > 0 || mask !== undefined || undefined}>
      <summary>Region</summary>
      <p class="help">
        Click a word and choose “Keep the edit to where it looks”, paint on the edit, or place an ellipse. The rest of
        the picture stays as it was.
      </p>
      {blend.length > 0 && (
        <>
          <ul class="pairs">
            {blend.map(([source, target]) => (
              <li key={`${source}:${target}`}>
                {source === target ? source : `${source} → ${target}`}
                <button
                  type="button"
                  aria-label={`Remove ${target} from the region`}
                  onClick={() => change({ blend: blend.filter((pair) => pair[0] !== source || pair[1] !== target) })}
                >
                  ×
                </button>
              </li>
            ))}
          </ul>
          <Slider
            label="How much the words must look"
            help="Less makes the region larger"
            value={threshold}
            min={0.05}
            max={0.9}
            step={0.05}
            show={(value) => `${Math.round(value * 100)} %`}
            onInput={(value) => drag({ threshold: value })}
          />
        </>
      )}
      <div class="row">
        <button
          type="button"
          aria-pressed={isPainting}
          onClick={() => {
            brush.value = isPainting ? undefined : 1.5;
            ellipse.value = undefined;
          }}
        >
          Paint
        </button>
        <button
          type="button"
          aria-pressed={ellipse.value !== undefined}
          onClick={() => {
            brush.value = undefined;
            ellipse.value = ellipse.value ? undefined : { x: 50, y: 50, width: 50, height: 50 };
            if (ellipse.value) change({ mask: cellsIn(ellipse.value) });
          }}
        >
          Ellipse
        </button>
        {mask && (
          <button
            type="button"
            onClick={() => {
              ellipse.value = undefined;
              change({ mask: undefined });
            }}
          >
            Clear
          </button>
        )}
        {mask && (
          <button type="button" onClick={() => change({ mask: mask.map((cell) => (cell ? 0 : 1)) })}>
            Invert
          </button>
        )}
        {(mask || blend.length > 0) && (
          <button
            type="button"
            aria-pressed={outlined.value}
            onClick={() => {
              outlined.value = !outlined.value;
            }}
          >
            Outline
          </button>
        )}
      </div>
      {ellipse.value && <EllipseSliders />}
      {isPainting && (
        <Slider
          label="Brush"
          help="Hold Shift to erase"
          value={brush.value!}
          min={0.5}
          max={4}
          step={0.5}
          show={String}
          onInput={(value) => {
            brush.value = value;
          }}
        />
      )}
    </details>
  );
}
