/** Numbers as int16 with one scale a group: half of float32's size, and an error of at most 1/65534 of the group's largest number. */
export interface FixedPoint {
  readonly numbers: Int16Array;
  /** One a group: a number times its group's scale is what it stands for. */
  readonly scales: Float32Array;
}

const MAX = 32767;

/** @param groups into how many parts of equal size the numbers fall, one after the other */
export function toFixedPoint(values: Float32Array, groups: number): FixedPoint {
  const numbers = new Int16Array(values.length);
  const scales = new Float32Array(groups);
  inGroups(values.length, groups, (group, start, end) => {
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i]));
    const scale = scales[group] = Math.fround(largest / MAX);
    if (scale === 0) return;
    // The scale is rounded: the largest number may come out just over.
    for (let i = start; i < end; i++) numbers[i] = Math.max(-MAX, Math.min(MAX, Math.round(values[i] / scale)));
  });
  return { numbers, scales };
}

export function fromFixedPoint({ numbers, scales }: FixedPoint): Float32Array {
  const values = new Float32Array(numbers.length);
  inGroups(values.length, scales.length, (group, start, end) => {
    const scale = scales[group];
    for (let i = start; i < end; i++) values[i] = numbers[i] * scale;
  });
  return values;
}

function inGroups(length: number, groups: number, work: (group: number, start: number, end: number) => void): void {
  const size = length / groups;
  for (let group = 0; group < groups; group++) work(group, group * size, (group + 1) * size);
}
