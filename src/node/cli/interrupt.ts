import { Interrupted } from './errors';

/**
 * Runs work that a first Ctrl-C asks to stop at its next step and a second one stops at once.
 *
 * @param aftermath what to say of what is left when it was stopped
 * @throws Interrupted if it was stopped.
 */
export async function interruptible<T>(aftermath: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nStopping at the next step; press Ctrl-C again to stop at once.\n');
    controller.abort(new Interrupted(aftermath));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
