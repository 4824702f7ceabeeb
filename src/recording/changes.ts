/**
 * Changes of numbers as int16 with one scale a group: half of float32's size, and an error of at most 1/65534 of the
 * group's largest change.
 */
export interface Changes {
  readonly numbers: Int16Array;
  /** One a group: a number times its group's scale is what it stands for. */
  readonly scales: Float32Array;
}

const MAX = 32767;

/** @param groups into how many parts of equal size the numbers fall, one after the other */
export function changesOf(before: Float32Array, after: Float32Array, groups: number): Changes {
  const numbers = new Int16Array(after.length);
  const scales = new Float32Array(groups);
  inGroups(after.length, groups, (group, start, end) => {
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(after[i] - before[i]));
    const scale = (scales[group] = Math.fround(largest / MAX));
    if (scale === 0) return;
    // The scale is rounded: the largest change may come out just over.
    for (let i = start; i < end; i++)
      numbers[i] = Math.max(-MAX, Math.min(MAX, Math.round((after[i] - before[i]) / scale)));
  });
  return { numbers, scales };
}

/**
 * The numbers after some changes. The next changes are best made from these, not from what was to be had: then no error
 * adds up.
 */
export function changed(before: Float32Array, { numbers, scales }: Changes): Float32Array {
  const after = new Float32Array(before.length);
  inGroups(before.length, scales.length, (group, start, end) => {
    const scale = scales[group];
    for (let i = start; i < end; i++) after[i] = before[i] + numbers[i] * scale;
  });
  return after;
}

function inGroups(length: number, groups: number, work: (group: number, start: number, end: number) => void): void {
  const size = length / groups;
  for (let group = 0; group < groups; group++) work(group, group * size, (group + 1) * size);
}
