import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController, AttentionKind, FeatureCall, Qkv, Stage } from './controller';

/** What is there at each stage. */
export interface StageValues {
  readonly qkv: Qkv;
  readonly logits: tf.Tensor4D;
  readonly probs: tf.Tensor4D;
  readonly output: tf.Tensor3D;
}

type Hook<S extends Stage> = (given: StageValues[S], call: AttentionCall) => StageValues[S];

/** Where a controller is asked that says nothing of it. */
export const UNET_KINDS: readonly AttentionKind[] = ['self', 'cross'];

const HOOKS = { qkv: 'onQkv', logits: 'onLogits', probs: 'onProbs', output: 'onOutput' } as const;

/** Marks what may give back more rows than it was given, or fewer: what puts a recorded source's beside them. */
export const ADDS_ROWS = Symbol('adds rows');

/** A hook that is not what the interface says. The message names the controller, the site and the stage. */
export class HookError extends Error {
  override readonly name = 'HookError';

  constructor(controller: AttentionController, what: string, { site: { path } }: { site: { path: string } }) {
    super(`${controller.name ? `The controller ${controller.name}` : 'A controller'}, at ${path}: ${what}`);
  }
}

/**
 * The stages that a controller wants at a call; none at a kind of site where it is not asked.
 *
 * @throws HookError if there is no such stage, or no hook for it
 */
export function stagesWanted(controller: AttentionController, call: AttentionCall): readonly Stage[] {
  if (!(controller.kinds ?? UNET_KINDS).includes(call.site.kind)) return [];
  const wanted = controller.wants(call);
  if (!Array.isArray(wanted))
    throw new HookError(controller, `wants() returned ${wanted}, not a list of stages.`, call);
  for (const stage of wanted as readonly Stage[]) {
    if (!Object.hasOwn(HOOKS, stage))
      throw new HookError(controller, `wants '${stage}'; the stages are ${Object.keys(HOOKS).join(', ')}.`, call);
    if (!controller[HOOKS[stage]]) checkNames(controller, call);
  }
  return wanted;
}

/** @throws HookError if a controller has what looks like a hook and is none */
function checkNames(controller: AttentionController, call: AttentionCall): void {
  const known: readonly string[] = [...Object.values(HOOKS), 'onFeatures', 'onLatents'];
  const wrong = Object.keys(controller).find((name) => /^on[A-Z]/.test(name) && !known.includes(name));
  if (wrong) throw new HookError(controller, `has ${wrong}, which is no hook; there are ${known.join(', ')}.`, call);
}

/** Calls a controller's hook for a stage that it wants. @throws HookError if it returns what cannot take the place */
export function callHook<S extends Stage>(
  controller: AttentionController,
  stage: S,
  given: StageValues[S],
  call: AttentionCall,
): StageValues[S] {
  const hook = controller[HOOKS[stage]] as Hook<S> | undefined;
  const made = hook ? hook.call(controller, given, call) : given;
  if (made === given) return made;
  const fail = (what: string): never => {
    throw new HookError(controller, `${HOOKS[stage]} returned ${what}`, call);
  };
  const mayAddRows = ADDS_ROWS in controller;
  if (stage === 'qkv') {
    checkQkv(made as Qkv, given as Qkv, mayAddRows, fail);
  } else {
    const [rows, ...rest] = (given as tf.Tensor).shape;
    checkTensor('', made as tf.Tensor, [mayAddRows ? (made as tf.Tensor).shape[0] : rows, ...rest], fail);
  }
  return made;
}

/** Features as a controller wants to go on with them. @throws HookError if it returns what cannot take their place */
export function callOnFeatures(controller: AttentionController, given: tf.Tensor4D, call: FeatureCall): tf.Tensor4D {
  if (!controller.onFeatures) throw new HookError(controller, 'wants features and has no onFeatures.', call);
  const made = controller.onFeatures(given, call);
  if (made !== given) {
    checkTensor('', made, given.shape, (what) => {
      throw new HookError(controller, `onFeatures returned ${what}`, call);
    });
  }
  return made;
}

type Fail = (what: string) => never;

/** Queries stay as many; keys and values may become more, or fewer. */
function checkQkv(made: Qkv, given: Qkv, mayAddRows: boolean, fail: Fail): void {
  if (!made?.q || !made.k || !made.v) fail(`${shown(made)}: it must be { q, k, v }, changed or not.`);
  const rows = mayAddRows ? (made.q.shape?.[0] ?? 0) : given.q.shape[0];
  const [, heads, queries, size] = given.q.shape;
  checkTensor('q: ', made.q, [rows, heads, queries, size], fail);
  checkTensor('k: ', made.k, [rows, heads, made.k.shape?.[2] ?? 0, size], fail);
  checkTensor('v: ', made.v, [rows, heads, made.k.shape[2], size], fail);
}

function checkTensor(what: string, made: tf.Tensor, shape: readonly number[], fail: Fail): void {
  if (!(made instanceof tf.Tensor))
    fail(`${what}${shown(made)}: it must be a tensor, the one given if nothing changes.`);
  if (made.dtype !== 'float32') fail(`${what}a tensor of ${made.dtype}: it must be float32.`);
  if (`${made.shape}` !== `${shape}`) fail(`${what}a tensor of [${made.shape}]: it must be [${shape}].`);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  return value instanceof Promise ? 'a promise (hooks cannot wait)' : `something that is no tensor (${typeof value})`;
}
