import { signal } from '@preact/signals';
import type { Mask } from '../engine/protocol';
import { Slider } from './Controls';
import { brush, change, drag, model, outlined, recipe, region } from './state';

/** What is being painted, until the pointer is lifted. */
const stroke = signal<Mask | undefined>(undefined);

/** Over the edit: the outline of the region that it is kept to, and where it is painted. */
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

/** The edges between cells of the region and others, and the picture's own edge where the region ends there. */
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

/** What keeps the edit to a part of the picture. */
export function RegionFold() {
  const { blend, threshold, mask } = recipe.value!;
  const isPainting = brush.value !== undefined;
  return (
    <details class="fold" open={blend.length > 0 || mask !== undefined || undefined}>
      <summary>Region</summary>
      <p class="help">
        Click a word and choose “Keep the edit to where it looks”, or paint on the edit. Elsewhere the picture stays as
        it was.
      </p>
      {blend.length > 0 && (
        <>
          <ul class="pairs">
            {blend.map(([source, target]) => (
              <li key={`${source}:${target}`}>
                {source === target ? source : `${source} → ${target}`}
                <button
                  type="button"
                  aria-label={`No longer keep to ${target}`}
                  onClick={() => change({ blend: blend.filter((pair) => pair[0] !== source || pair[1] !== target) })}
                >
                  ×
                </button>
              </li>
            ))}
          </ul>
          <Slider
            label="How much they must look there"
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
          }}
        >
          Paint
        </button>
        {mask && (
          <button type="button" onClick={() => change({ mask: undefined })}>
            Clear
          </button>
        )}
        {mask && (
          <button type="button" onClick={() => change({ mask: mask.map((cell) => (cell ? 0 : 1)) })}>
            Turn round
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
      {isPainting && (
        <Slider
          label="Brush"
          help="Hold Shift to take away"
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
