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

/** What goes wrong is the user's to mend, by this option. @throws UsageError that names it */
export function naming<T>(option: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`);
  }
}
