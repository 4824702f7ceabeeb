import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Picture } from 'prompt-to-prompt-tfjs';
import { type HeatMap, overlayHeat } from '../library';

interface Props {
  readonly picture?: Picture;
  readonly heat?: HeatMap;
  /** A description for screen readers. */
  readonly label: string;
}

/** A picture with an optional heat map over it. */
export function PictureCanvas({ picture, heat, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    if (!picture) return;
    Object.assign(canvas.current!, { width: picture.width, height: picture.height });
    const { data, width, height } = heat ? overlayHeat(picture, heat) : picture;
    context.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  }, [picture, heat]);
  return <canvas ref={canvas} class="picture" role="img" aria-label={label} />;
}
