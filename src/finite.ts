/**
 * Numbers that are not finite: a weight that is not, or one so large that sums overflow. The message says where they
 * came up.
 */
export class NotFiniteError extends Error {
  override readonly name = 'NotFiniteError';
}

/** Whether all of some numbers are finite. */
export function allFinite(values: ArrayLike<number>): boolean {
  // A sum of finite numbers times 0 is 0, of any other it is not a number.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * 0;
  return sum === 0;
}
