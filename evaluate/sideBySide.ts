import * as tf from '@tensorflow/tfjs';
import { compose } from '../src/attention/compose';
import type { AttentionController, BatchRow } from '../src/attention/controller';
import { beginAll, endAll } from '../src/attention/lifetime';
import { replaceRows, takeRow } from '../src/attention/rows';

/**
 * Several edits of one source in one run, each with its own settings: picture i + 1 of the run is edited by controller
 * i, which sees only two prompts, the source (0) and its target (1). A picture without a controller is generated from
 * the same noise without an edit.
 */
export function sideBySide(controllers: readonly (AttentionController | undefined)[]): AttentionController {
  return compose(...controllers.flatMap((controller, i) => (controller ? [forTarget(i + 1, controller)] : [])));
}

/**
 * A controller for a source and one target, in a run of several: it sees the other targets' rows as unconditional,
 * which no edit changes.
 */
function forTarget(target: number, controller: AttentionController): AttentionController {
  const seenAs = ({ prompt, role }: BatchRow): BatchRow => {
    if (prompt === target) return { prompt: 1, role };
    return { prompt, role: prompt === 0 ? role : 'unconditional' };
  };
  const seen = <Call extends { readonly rows: readonly BatchRow[] }>(call: Call): Call => ({
    ...call,
    rows: call.rows.map(seenAs),
  });
  return {
    wants: (call) => controller.wants(seen(call)),
    onQkv: (qkv, call) => controller.onQkv?.(qkv, seen(call)) ?? qkv,
    onLogits: (logits, call) => controller.onLogits?.(logits, seen(call)) ?? logits,
    onProbs: (probs, call) => controller.onProbs?.(probs, seen(call)) ?? probs,
    onOutput: (output, call) => controller.onOutput?.(output, seen(call)) ?? output,
    onLatents: (latents, call) =>
      tf.tidy(() => {
        const pair = tf.concat([takeRow(latents, 0), takeRow(latents, target)], 0) as tf.Tensor4D;
        const edited = controller.onLatents?.(pair, call) ?? pair;
        return edited === pair ? latents : replaceRows(latents, new Map([[target, takeRow(edited, 1)]]));
      }),
    begin: (run) => beginAll([controller], { ...run, prompts: 2 }),
    end: () => endAll([controller]),
  };
}
