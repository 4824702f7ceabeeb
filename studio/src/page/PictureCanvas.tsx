import { useEffect, useRef } from 'preact/hooks';
import type { Picture } from 'prompt-to-prompt-tfjs';
import { type HeatMap, overlayHeat } from '../library';

interface Props {
  readonly picture?: Picture;
  readonly heat?: HeatMap;
  /** Cells that an edit may change: the others are veiled. */
  readonly region?: { readonly width: number; readonly height: number; readonly values: ArrayLike<number> };
  /** What it shows, for who does not see it. */
  readonly label: string;
}

/** A picture, and what is laid over it. */
export function PictureCanvas({ picture, heat, region, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    if (!picture) return;
    Object.assign(canvas.current!, { width: picture.width, height: picture.height });
    const { data, width, height } = heat ? overlayHeat(picture, heat) : picture;
    context.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
    if (region) veil(context, region, width, height);
  }, [picture, heat, region]);
  return <canvas ref={canvas} class="picture" role="img" aria-label={label} />;
}

function veil(
  context: CanvasRenderingContext2D,
  { width, height, values }: NonNullable<Props['region']>,
  pixelsWide: number,
  pixelsHigh: number,
): void {
  context.fillStyle = 'rgb(20 18 26 / 62%)';
  const [across, down] = [pixelsWide / width, pixelsHigh / height];
  for (let cell = 0; cell < width * height; cell++) {
    if (values[cell] < 0.5) context.fillRect((cell % width) * across, Math.floor(cell / width) * down, across, down);
  }
}
