import type { AttentionStore } from '../attention/store';
import type { Span } from '../text/words';
import type { HeatMap } from './heatMap';

/**
 * Where the attention to each of several words of a prompt is: the sum over the word's tokens, averaged over the run.
 * With a negative weight it is negative; the word then acts on the same places in reverse, so absolute values are used.
 *
 * @param store the run's store
 * @param prompt which of the run's prompts: 0 is the source
 * @param words words of that prompt, such as those from {@link wordsOf}
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
