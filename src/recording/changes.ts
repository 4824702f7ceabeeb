/**
 * Changes between two arrays of numbers as int16 with one scale per group: half the size of float32, with an error of
 * at most 1/65534 of the group's largest change.
 */
export interface Changes {
  readonly numbers: Int16Array;
  /** One per group: a number times its group's scale is the change. */
  readonly scales: Float32Array;
}

const MAX = 32767;

/** @param groups the number of consecutive groups of equal size to divide the numbers into */
export function changesOf(before: Float32Array, after: Float32Array, groups: number): Changes {
  const numbers = new Int16Array(after.length);
  const scales = new Float32Array(groups);
  inGroups(after.length, groups, (group, start, end) => {
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(after[i] - before[i]));
    const scale = (scales[group] = Math.fround(largest / MAX));
    if (scale === 0) return;
    // The scale is rounded, so the largest change may come out just over MAX.
    for (let i = start; i < end; i++)
      numbers[i] = Math.max(-MAX, Math.min(MAX, Math.round((after[i] - before[i]) / scale)));
  });
  return { numbers, scales };
}

/**
 * The numbers after the changes. Compute the next changes from these, not from the original numbers, so that errors do
 * not add up.
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
