import type { AttentionCall, AttentionController, Stage } from './controller';

/**
 * Several controllers as one. At each stage each of them gets what the one before returned, if it asked for that stage
 * at that call. Put what changes the attention before what reads it.
 */
export function compose(...controllers: readonly AttentionController[]): Required<AttentionController> {
  const asking = (stage: Stage, call: AttentionCall): AttentionController[] =>
    controllers.filter((controller) => controller.wants(call).includes(stage));
  return {
    wants: (call) => [...new Set(controllers.flatMap((controller) => controller.wants(call)))],
    onQkv: (qkv, call) => asking('qkv', call).reduce((x, controller) => controller.onQkv?.(x, call) ?? x, qkv),
    onLogits: (logits, call) =>
      asking('logits', call).reduce((x, controller) => controller.onLogits?.(x, call) ?? x, logits),
    onProbs: (probs, call) =>
      asking('probs', call).reduce((x, controller) => controller.onProbs?.(x, call) ?? x, probs),
    onOutput: (output, call) =>
      asking('output', call).reduce((x, controller) => controller.onOutput?.(x, call) ?? x, output),
    beforeStep: async (latents, call) => {
      let current = latents;
      for (const controller of controllers) {
        const next = (await controller.beforeStep?.(current, call)) ?? current;
        if (current !== latents && next !== current) current.dispose();
        current = next;
      }
      return current;
    },
    onLatents: (latents, call) => controllers.reduce((x, controller) => controller.onLatents?.(x, call) ?? x, latents),
    begin: (run) => controllers.forEach((controller) => controller.begin?.(run)),
    end: () => controllers.forEach((controller) => controller.end?.()),
  };
}
