import type { AttentionController, RunInfo } from './controller';

/** The runs that controllers with a state are in, or that they have been in one. */
const running = new WeakMap<AttentionController, RunInfo | 'ended'>();

/**
 * Begins a run for all of some controllers. One that keeps something of a run (it has `begin` or `end`) may be in one
 * run at a time; in the same run it may stand more than once.
 *
 * @throws Error if one of them is in another run; then none of them has begun
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
          `${controller.name ? `The controller ${controller.name}` : 'A controller'} is still in another run, of which it keeps something: make one for each run, or end that run first.`,
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

/** Ends the run of controllers, each once. */
export function endAll(controllers: readonly AttentionController[]): void {
  for (const controller of controllers) {
    if (running.get(controller) === 'ended') continue;
    running.set(controller, 'ended');
    controller.end?.();
  }
}
