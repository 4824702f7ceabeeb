import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController, AttentionKind, FeatureCall, Qkv, Stage } from './controller';

/** What a hook is given at each stage. */
export interface StageValues {
  readonly qkv: Qkv;
  readonly logits: tf.Tensor4D;
  readonly probs: tf.Tensor4D;
  readonly output: tf.Tensor3D;
}

type Hook<S extends Stage> = (given: StageValues[S], call: AttentionCall) => StageValues[S];

/** The kinds of sites at which a controller is called if it does not name any. */
export const UNET_KINDS: readonly AttentionKind[] = ['self', 'cross'];

const HOOKS = { qkv: 'onQkv', logits: 'onLogits', probs: 'onProbs', output: 'onOutput' } as const;

/**
 * Marks a controller whose hooks may return more or fewer rows than they were given: one that adds a recorded source's
 * rows.
 */
export const ADDS_ROWS = Symbol('adds rows');

/** A hook that breaks the interface. The message names the controller, the site and the stage. */
export class HookError extends Error {
  override readonly name = 'HookError';

  constructor(controller: AttentionController, what: string, { site: { path } }: { site: { path: string } }) {
    super(`${controller.name ? `The controller ${controller.name}` : 'A controller'}, at ${path}: ${what}`);
  }
}

/**
 * The stages that a controller wants at a call; none if it is not for this kind of site.
 *
 * @throws HookError if `wants` does not return a list of known stages, or a hook's name is misspelt
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

/** @throws HookError if a controller has a method that looks like a hook but is not one */
function checkNames(controller: AttentionController, call: AttentionCall): void {
  const known: readonly string[] = [...Object.values(HOOKS), 'onFeatures', 'onLatents'];
  const wrong = Object.keys(controller).find((name) => /^on[A-Z]/.test(name) && !known.includes(name));
  if (wrong)
    throw new HookError(controller, `has ${wrong}, which is not a hook; the hooks are ${known.join(', ')}.`, call);
}

/**
 * Calls a controller's hook for a stage that it wants.
 *
 * @throws HookError if its result cannot replace what it was given
 */
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

/** Calls a controller's `onFeatures`. @throws HookError if its result cannot replace the features */
export function callOnFeatures(controller: AttentionController, given: tf.Tensor4D, call: FeatureCall): tf.Tensor4D {
  if (!controller.onFeatures) throw new HookError(controller, 'wants features but has no onFeatures.', call);
  const made = controller.onFeatures(given, call);
  if (made !== given) {
    checkTensor('', made, given.shape, (what) => {
      throw new HookError(controller, `onFeatures returned ${what}`, call);
    });
  }
  return made;
}

type Fail = (what: string) => never;

/** The number of queries must stay; that of keys and values may change. */
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
