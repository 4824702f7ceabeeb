/**
 * A command that was called in a way that cannot be meant: exit code 2. The message names the option, the field or the
 * word.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The user stopped the run. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
