import type { AttentionStore } from '../attention/store';
import type { Span } from '../text/words';
import type { HeatMap } from './heatMap';

/**
 * Where each of some words of a prompt looks: the attention to all its tokens, averaged over the run. A negative weight
 * makes it negative; it is the same places that the word turns away from, so the sign is left out.
 *
 * @param store of the run
 * @param prompt which of the run's prompts: 0 is the source
 * @param words of that prompt, such as {@link wordsOf} finds
 */
export async function wordMaps(store: AttentionStore, prompt: number, words: readonly Span[]): Promise<HeatMap[]> {
  const maps = store.maps({ prompt });
  const [height, width, keys] = maps.shape;
  const values = await maps.data<'float32'>();
  maps.dispose();
  return words.map(({ start, end }) => ({
    width,
    height,
    values: Float32Array.from({ length: height * width }, (_, place) =>
      values.subarray(place * keys + start, place * keys + end).reduce((sum, value) => sum + Math.abs(value), 0),
    ),
  }));
}
