import { computed } from '@preact/signals';
import type { WordLooks } from '../engine/protocol';
import type { HeatMap } from '../library';
import { focus, made, probe, recipe, result, slots, step } from './state';

/** A word's positions in the two prompts. */
export interface Places {
  readonly source?: number;
  readonly target?: number;
}

/** For each slot, the positions of its words. */
export const places = computed(() => {
  let [source, target] = [0, 0];
  return slots.value.map(
    (slot): Places => ({
      source: slot.source === undefined ? undefined : source++,
      target: slot.target === undefined ? undefined : target++,
    }),
  );
});

/** The looks of the current prompts; undefined until their picture is made. */
export const looks = computed(() => {
  const [now, then] = [recipe.value, made.value];
  return result.value && now && then && now.source === then.source && now.target === then.target
    ? result.value.looks
    : undefined;
});

/** Where a word looks at a step, or averaged over all steps. */
export function mapOf({ grid, words, steps }: WordLooks, word: number, at?: number): HeatMap {
  const cells = grid.width * grid.height;
  const size = words.length * cells;
  const values = new Float32Array(cells);
  const [from, to] = at === undefined ? [0, steps.length / size] : [at, at + 1];
  for (let each = from; each < to; each++) {
    for (let cell = 0; cell < cells; cell++) values[cell] += steps[each * size + word * cells + cell] / (to - from);
  }
  return { ...grid, values };
}

/** For each picture, the heat map of the focused word. */
export const heat = computed((): { source?: HeatMap; edit?: HeatMap } => {
  const [both, at] = [looks.value, focus.value];
  const place = at === undefined ? undefined : places.value[at];
  if (!both || !place) return {};
  return {
    source: place.source === undefined ? undefined : mapOf(both.source, place.source, step.value),
    edit: place.target === undefined ? undefined : mapOf(both.edit, place.target, step.value),
  };
});

/** For each slot, the attention to its word at the pointer, relative to its maximum anywhere. */
export const looksAtPointer = computed((): readonly number[] | undefined => {
  const [both, at] = [looks.value, probe.value];
  if (!both || !at) return undefined;
  const ofPrompt = both[at.of];
  const { width, height } = ofPrompt.grid;
  const cell = Math.min(height - 1, Math.floor(at.y * height)) * width + Math.min(width - 1, Math.floor(at.x * width));
  return places.value.map(({ source, target }) => {
    const word = at.of === 'source' ? source : target;
    if (word === undefined) return 0;
    const { values } = mapOf(ofPrompt, word, step.value);
    return values[cell] / Math.max(1e-6, ...values);
  });
});
