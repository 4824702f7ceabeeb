/** Invalid usage of a command: exit code 2. The message names the option, the field or the word. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The user stopped the run. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Attributes any error to an option that the user can correct, also a later one. @throws UsageError naming it */
export function naming<T>(option: string, work: () => T): T {
  const refuse = (error: unknown): never => {
    throw new UsageError(`${option}: ${(error as Error).message}`);
  };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(refuse) as T) : result;
  } catch (error) {
    return refuse(error);
  }
}
