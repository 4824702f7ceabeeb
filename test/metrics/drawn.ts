import type { Picture } from '../../src/image/picture';

/** The pictures of test/fixtures/metrics.py, generated from their seeds. */
export function drawn(seed: number, height: number, width: number): Picture {
  const data = new Uint8ClampedArray(height * width * 4).fill(255);
  let state = seed;
  for (let i = 0; i < height * width * 3; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[Math.floor(i / 3) * 4 + (i % 3)] = (Math.floor((i * (seed + 3)) / 40) + (state >>> 26)) % 256;
  }
  return { width, height, data };
}
