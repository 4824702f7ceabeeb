import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { LayerLooks } from '../engine/protocol';
import { heatColour } from '../library';
import { looks, places } from './looks';
import { kindOf } from './slots';
import { focus, slots } from './state';

/** While closed, it draws none of its many pictures. */
const open = signal(false);

/** Where one word looks, by layer and head. */
export function Layers() {
  const both = looks.value;
  const at =
    focus.value ??
    Math.max(
      0,
      slots.value.findIndex((slot) => kindOf(slot) !== 'kept'),
    );
  const place = places.value[at];
  if (!both || !place) return null;
  const side = place.target === undefined ? 'source' : 'edit';
  const word = place.target ?? place.source!;
  const { words, layers } = both[side];
  return (
    <details
      class="card layers"
      open={open.value}
      onToggle={({ currentTarget }) => {
        open.value = currentTarget.open;
      }}
    >
      <summary>Layers and heads</summary>
      <p class="help">
        Where “{words[word]}” looks in the {side === 'edit' ? 'edit' : 'source'}, averaged over all steps. Point at
        another word to see where it looks.
      </p>
      <div class="grid">
        {(open.value ? layers : []).map((layer) => (
          <div key={layer.path} class="layer">
            <span title={layer.path}>
              {layer.place} {layer.grid.width}×{layer.grid.height}
            </span>
            <div class="heads">
              {Array.from({ length: layer.heads }, (_, head) => (
                <Head key={head} layer={layer} words={words.length} word={word} head={head} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </details>
  );
}

interface HeadProps {
  readonly layer: LayerLooks;
  readonly words: number;
  readonly word: number;
  readonly head: number;
}

function Head({ layer, words, word, head }: HeadProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = layer.grid;
  useEffect(() => {
    const first = (head * words + word) * width * height;
    const values = layer.values.subarray(first, first + width * height);
    const most = Math.max(1e-9, ...values);
    const pixels = new Uint8ClampedArray(width * height * 4);
    values.forEach((value, cell) => pixels.set([...heatColour(value / most), 255], cell * 4));
    canvas.current!.getContext('2d')!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [layer, words, word, head]);
  return (
    <canvas
      ref={canvas}
      class="picture"
      width={width}
      height={height}
      role="img"
      aria-label={`${layer.path}, head ${head + 1}`}
    />
  );
}
