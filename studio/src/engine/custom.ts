import * as tf from '@tensorflow/tfjs';
import * as p2p from 'prompt-to-prompt-tfjs';

/** An error in a user's controller; `line` counts from 1 in their code. */
export class ControllerError extends Error {
  override readonly name = 'ControllerError';
  constructor(
    message: string,
    readonly line?: number,
  ) {
    super(message);
  }
}

const FILE = 'controller.js';
/** Lines that the JavaScript engine puts before a function's body. */
const BEFORE = 2;

/**
 * Makes the controller that a user's code returns. Errors in it, now and in its hooks, become {@link ControllerError}s
 * with the line.
 *
 * @param code the body of a function of `tf`, `p2p` (this package's exports) and `prompts` (as tokenized)
 */
export function controllerOf(code: string, prompts: readonly p2p.TokenizedPrompt[]): p2p.AttentionController {
  const controller = located(() => {
    const make = new Function('tf', 'p2p', 'prompts', `${code}\n//# sourceURL=${FILE}`) as (
      ...given: unknown[]
    ) => unknown;
    return make(tf, p2p, prompts);
  });
  if (
    typeof controller !== 'object' ||
    controller === null ||
    typeof (controller as p2p.AttentionController).wants !== 'function'
  ) {
    throw new ControllerError(
      'The code must return a controller: an object with at least wants(call), which returns the stages it wants to see.',
    );
  }
  const hooks = Object.entries(controller).map(
    ([name, hook]) =>
      [
        name,
        typeof hook === 'function' ? (...given: unknown[]) => located(() => hook.apply(controller, given)) : hook,
      ] as const,
  );
  return Object.fromEntries(hooks) as unknown as p2p.AttentionController;
}

function located<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ControllerError) throw error;
    if (!(error instanceof Error)) throw new ControllerError(String(error));
    const { name, message } = error;
    throw new ControllerError(name === 'Error' ? message : `${name}: ${message}`, lineOf(error));
  }
}

/**
 * The line of the user's code that an error comes from, if known. WebKit's stacks give no lines of code that is made
 * from text, but its errors have the line at which they arose: in the user's code if the first entry has no place.
 */
function lineOf({ stack = '', line }: Error & { readonly line?: number }): number | undefined {
  const inStack = new RegExp(`${FILE.replace('.', '\\.')}:(\\d+)`).exec(stack)?.[1];
  const counted = Number(inStack ?? (/^.*@\n/.test(stack) ? line : undefined)) - BEFORE;
  return counted > 0 ? counted : undefined;
}
