import type { AttentionStore } from '../../attention/store';
import { overlayHeat } from '../../image/heatMap';
import type { HeatMap } from '../../image/heatMap';
import type { Picture } from '../../image/picture';
import { enlarge } from '../../image/picture';
import type { Piece } from '../../text/tokenizer';
import { enlargement } from '../figure';

/**
 * Where each of some words of a prompt looks: the attention to all its tokens, averaged over the run. A negative weight makes it negative;
 * it is the same places that the word turns away from, so the sign is left out.
 */
export async function wordMaps(store: AttentionStore, prompt: number, words: readonly Piece[]): Promise<HeatMap[]> {
  const maps = store.maps({ prompt });
  const [height, width, keys] = maps.shape;
  const values = await maps.data<'float32'>();
  maps.dispose();
  return words.map(({ start, end }) => ({
    width,
    height,
    values: Float32Array.from({ length: height * width }, (_, place) => values.subarray(place * keys + start, place * keys + end).reduce((sum, value) => sum + Math.abs(value), 0)),
  }));
}

/** The picture as figures show it: small ones enlarged. */
export function shown(picture: Picture): Picture {
  return enlarge(picture, enlargement(picture));
}

/** The picture, enlarged, with the map over it. */
export function lit(picture: Picture, map: HeatMap): Picture {
  return overlayHeat(shown(picture), map);
}
