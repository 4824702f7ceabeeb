import type { AttentionController, RunInfo } from './controller';

/** For each controller with state, the run it is in, or `ended` once its run is over. */
const running = new WeakMap<AttentionController, RunInfo | 'ended'>();

/**
 * Begins a run for several controllers. One that keeps state for a run (it has `begin` or `end`) may be in only one run
 * at a time, but may be listed more than once in the same run.
 *
 * @throws Error if one of them is in another run; those already begun are ended again
 */
export function beginAll(controllers: readonly AttentionController[], run: RunInfo): void {
  const begun: AttentionController[] = [];
  try {
    for (const controller of controllers) {
      if (!controller.begin && !controller.end) continue;
      const other = running.get(controller);
      if (other === run) continue;
      if (other && other !== 'ended')
        throw new Error(
          `${controller.name ? `The controller ${controller.name}` : 'A controller'} is still part of another run, whose state it holds: make a new one for each run, or end that run first.`,
        );
      controller.begin?.(run);
      running.set(controller, run);
      begun.push(controller);
    }
  } catch (error) {
    endAll(begun);
    throw error;
  }
}

/** Ends the run for these controllers, each once. @throws the first error of one of them, once all have been ended */
export function endAll(controllers: readonly AttentionController[]): void {
  const errors: unknown[] = [];
  for (const controller of controllers) {
    if (running.get(controller) === 'ended') continue;
    running.set(controller, 'ended');
    try {
      controller.end?.();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
