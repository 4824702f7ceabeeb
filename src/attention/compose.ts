import type * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController, BeforeStepCall, FeatureCall, Stage } from './controller';
import { ADDS_ROWS, callHook, callOnFeatures, type StageValues, stagesWanted, UNET_KINDS } from './hooks';
import { beginAll, endAll } from './lifetime';

/**
 * Several controllers as one. It has every hook within a step; `beforeStep`, `begin` and `end` only if one of them has.
 */
export type Composed = AttentionController &
  Required<Omit<AttentionController, 'name' | 'beforeStep' | 'begin' | 'end'>>;

/**
 * Combines several controllers into one. At each stage, every controller that wants the stage at that call gets what
 * the one before it returned. Put controllers that change the attention before those that read it.
 */
export function compose(...controllers: readonly AttentionController[]): Composed {
  const through = <S extends Stage>(stage: S, given: StageValues[S], call: AttentionCall): StageValues[S] =>
    controllers.reduce(
      ({ value, call }, controller) => {
        if (!stagesWanted(controller, call).includes(stage)) return { value, call };
        const made = callHook(controller, stage, value, call);
        return { value: made, call: stage === 'qkv' ? withKeys(call, made as StageValues['qkv']) : call };
      },
      { value: given, call },
    ).value;
  const wantingFeatures = (call: FeatureCall): AttentionController[] =>
    controllers.filter((controller) => controller.wantsFeatures?.(call));
  const keepsState = controllers.some(({ begin, end }) => begin || end);
  return {
    kinds: [...new Set(controllers.flatMap(({ kinds }) => kinds ?? UNET_KINDS))],
    wants: (call) => [...new Set(controllers.flatMap((controller) => stagesWanted(controller, call)))],
    onQkv: (qkv, call) => through('qkv', qkv, call),
    onLogits: (logits, call) => through('logits', logits, call),
    onProbs: (probs, call) => through('probs', probs, call),
    onOutput: (output, call) => through('output', output, call),
    wantsFeatures: (call) => wantingFeatures(call).length > 0,
    onFeatures: (x, call) =>
      wantingFeatures(call).reduce((features, controller) => callOnFeatures(controller, features, call), x),
    onLatents: (latents, call) => controllers.reduce((x, controller) => controller.onLatents?.(x, call) ?? x, latents),
    ...(controllers.some((controller) => ADDS_ROWS in controller) && { [ADDS_ROWS]: true }),
    ...(controllers.some(({ beforeStep }) => beforeStep) && {
      beforeStep: (latents, call) => beforeEach(controllers, latents, call),
    }),
    ...(keepsState && {
      begin: (run) => beginAll(controllers, run),
      end: () => endAll(controllers),
    }),
  };
}

async function beforeEach(
  controllers: readonly AttentionController[],
  latents: tf.Tensor4D,
  call: BeforeStepCall,
): Promise<tf.Tensor4D> {
  let current = latents;
  for (const controller of controllers) {
    const before = current;
    try {
      current = (await controller.beforeStep?.(before, call)) ?? before;
    } finally {
      if (before !== latents && before !== current) before.dispose();
    }
  }
  return current;
}

/** The call as later hooks see it, once a hook has changed the number of keys. */
export function withKeys(call: AttentionCall, { k }: StageValues['qkv']): AttentionCall {
  return k.shape[2] === call.keys ? call : { ...call, keys: k.shape[2] };
}
