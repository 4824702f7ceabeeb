import * as tf from '@tensorflow/tfjs';
import { compose } from '../attention/compose';
import type { AttentionCall, AttentionController, BatchRow, Qkv, Stage } from '../attention/controller';
import { ADDS_ROWS } from '../attention/hooks';
import { MissingRowError } from '../attention/rows';
import { RecordingError } from './description';

/** The source's attention as an earlier run had it. */
export interface SourceAttention {
  /** Whether the source's row is to be had at a call. */
  has(call: AttentionCall): boolean;
  /**
   * The source's conditional row at a call that it has: each [1, heads, tokens, headSize], made where it is called and
   * freed by the `tf.tidy` there.
   */
  qkv(call: AttentionCall): Qkv;
  /** Why others are not to be had, for a message: a sentence. */
  readonly missing: string;
}

const SOURCE: BatchRow = { prompt: 0, role: 'conditional' };

/**
 * Lets a controller see the source beside the targets, where the batch has the targets' rows only: at each call that
 * the controller asks for, the recorded source's queries, keys and values are the batch's last row until the attention
 * is computed. What is made of them (logits, probabilities, output) is then the source's as in a batch with all rows,
 * and no controller needs to know where it came from. At calls that were not recorded there are the targets' rows only;
 * `rows` says so.
 */
export function besideRecorded(
  source: SourceAttention,
  controller: AttentionController,
): AttentionController & { readonly [ADDS_ROWS]: true } {
  const inner = compose(controller);
  const seen = (call: AttentionCall): AttentionCall =>
    source.has(call) ? { ...call, rows: [...call.rows, SOURCE] } : call;
  const ask = <T>(call: AttentionCall, hook: (seen: AttentionCall) => T): T => {
    try {
      return hook(seen(call));
    } catch (error) {
      throw error instanceof MissingRowError ? new RecordingError(`${error.what}: ${source.missing}`) : error;
    }
  };
  return {
    ...inner,
    [ADDS_ROWS]: true,
    wants: (call) => {
      const wanted = ask(call, inner.wants);
      return wanted.length > 0 && source.has(call) ? [...new Set<Stage>(['qkv', ...wanted, 'output'])] : wanted;
    },
    onQkv: (qkv, call) =>
      ask(call, (seen) => inner.onQkv(source.has(call) ? withRow(qkv, source.qkv(call)) : qkv, seen)),
    onLogits: (logits, call) => ask(call, (seen) => inner.onLogits(logits, seen)),
    onProbs: (probs, call) => ask(call, (seen) => inner.onProbs(probs, seen)),
    onOutput: (output, call) => ask(call, (seen) => tf.slice(inner.onOutput(output, seen), 0, call.rows.length)),
  };
}

function withRow(batch: Qkv, row: Qkv): Qkv {
  return { q: tf.concat([batch.q, row.q]), k: tf.concat([batch.k, row.k]), v: tf.concat([batch.v, row.v]) };
}
