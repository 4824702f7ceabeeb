/** Invalid usage of a command: exit code 2. The message names the option, the field or the word. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The user stopped the run. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Attributes any error to an option that the user can correct. @throws UsageError naming it */
export function naming<T>(option: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`);
  }
}
