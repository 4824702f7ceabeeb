import * as tf from '@tensorflow/tfjs';
import { compose } from '../attention/compose';
import type { AttentionCall, AttentionController, BatchRow, Qkv, Stage } from '../attention/controller';
import { ADDS_ROWS } from '../attention/hooks';
import { MissingRowError } from '../attention/rows';
import { RecordingError } from './description';

/** The source's attention from an earlier run. */
export interface SourceAttention {
  /** Whether the source's row is available at a call. */
  has(call: AttentionCall): boolean;
  /**
   * The source's conditional row at an available call, each [1, heads, tokens, headSize]; disposed of by the `tf.tidy`
   * it is called in.
   */
  qkv(call: AttentionCall): Qkv;
  /** Why other calls are not available: a sentence for a message. */
  readonly missing: string;
}

const SOURCE: BatchRow = { prompt: 0, role: 'conditional' };

/**
 * Shows a controller the source beside the targets when the batch has only the targets' rows: at each call that the
 * controller wants, the recorded source's queries, keys and values are the batch's last row until the attention is
 * computed. Logits, probabilities and output then include the source's, as in a batch with all rows, and controllers
 * need not know where it came from. Calls that were not recorded have only the targets' rows, as `rows` says.
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
