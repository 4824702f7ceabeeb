/** Numbers became infinite or NaN, because a weight is or is so large that sums overflow. The message says where. */
export class NotFiniteError extends Error {
  override readonly name = 'NotFiniteError';
}

/** Whether all the numbers are finite. */
export function allFinite(values: ArrayLike<number>): boolean {
  // A finite number times 0 is 0; any other number times 0 is NaN, and so is the sum.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * 0;
  return sum === 0;
}
