import type { Box } from './layout';

/** Values on a grid, row by row from the top left, with channels interleaved: a picture's bytes, or a mask. */
export interface Raster<Values extends Uint8ClampedArray | Float32Array = Uint8ClampedArray | Float32Array> {
  readonly width: number;
  readonly height: number;
  readonly data: Values;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A value's weight at a distance from the centre, and the distance from which on the weight is 0. */
interface Filter {
  readonly support: number;
  weight(distance: number): number;
}

/** Keys' bicubic with a = -0.5, Pillow's default. */
export const bicubic: Filter = {
  support: 2,
  weight(distance) {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  },
};

/** Never exceeds the range of the input values. */
export const bilinear: Filter = { support: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) };

/**
 * Resizes a part of a raster like Pillow's `crop` and `resize`: for downscaling, the filter widens so that every value
 * contributes. Bytes are rounded after each of the two passes, as in Pillow.
 *
 * @param box whole pixels inside the raster
 */
export function resample<Values extends Uint8ClampedArray | Float32Array>(
  raster: Raster<Values>,
  box: Box,
  size: Size,
  filter: Filter = bicubic,
): Raster<Values> {
  const channels = raster.data.length / (raster.width * raster.height);
  const make = (length: number): Values => new (raster.data.constructor as new (length: number) => Values)(length);

  const across = make(size.width * box.height * channels);
  alongLines({
    from: raster.data,
    to: across,
    taps: taps(box.width, size.width, filter),
    lines: box.height,
    start: (box.y * raster.width + box.x) * channels,
    line: [raster.width * channels, size.width * channels],
    step: [channels, channels],
    channels,
  });
  const data = make(size.width * size.height * channels);
  alongLines({
    from: across,
    to: data,
    taps: taps(box.height, size.height, filter),
    lines: size.width,
    start: 0,
    line: [channels, channels],
    step: [size.width * channels, size.width * channels],
    channels,
  });
  return { ...size, data };
}

/** The inputs of one output value: the first contributing index, and the weights from there on. */
interface Taps {
  readonly first: number;
  readonly weights: Float64Array;
}

function taps(from: number, to: number, filter: Filter): Taps[] {
  const scale = from / to;
  const widened = Math.max(1, scale);
  const support = filter.support * widened;
  return Array.from({ length: to }, (_, i) => {
    const middle = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support + 0.5));
    const end = Math.min(from, Math.trunc(middle + support + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) =>
      filter.weight((first + k - middle + 0.5) / widened),
    );
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** `line` and `step` are strides in values, from line to line and from place to place, for reading and for writing. */
interface Lines {
  readonly from: Uint8ClampedArray | Float32Array;
  readonly to: Uint8ClampedArray | Float32Array;
  readonly taps: readonly Taps[];
  readonly lines: number;
  readonly start: number;
  readonly line: readonly [read: number, written: number];
  readonly step: readonly [read: number, written: number];
  readonly channels: number;
}

function alongLines({ from, to, taps, lines, start, line, step, channels }: Lines): void {
  for (let l = 0; l < lines; l++) {
    taps.forEach(({ first, weights }, i) => {
      for (let c = 0; c < channels; c++) {
        let at = start + l * line[0] + first * step[0] + c;
        let sum = 0;
        for (let k = 0; k < weights.length; k++, at += step[0]) sum += weights[k] * from[at];
        to[l * line[1] + i * step[1] + c] = sum;
      }
    });
  }
}
