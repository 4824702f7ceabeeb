import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, BatchRow, Role } from './controller';

/** A row of the batch, and the prompt it belongs to. */
export interface PromptRow {
  readonly row: number;
  readonly prompt: number;
}

/** The batch lacks a row that a controller needs. */
export class MissingRowError extends Error {
  override readonly name = 'MissingRowError';

  /** @param what is missing, and where @param advice what to do about it: a sentence */
  constructor(
    readonly what: string,
    advice: string,
  ) {
    super(`${what}: ${advice}`);
  }
}

/** One conditional row for each of `count` prompts or pictures. */
export function promptRows(count: number): BatchRow[] {
  return Array.from({ length: count }, (_, prompt) => ({ prompt, role: 'conditional' }));
}

/** The rows of one role, of any prompt. */
export function rowsOf(role: Role, { rows }: Pick<AttentionCall, 'rows'>): PromptRow[] {
  return rows.flatMap((row, i) => (row.role === role ? [{ row: i, prompt: row.prompt }] : []));
}

/** The rows that read their prompt's text, of any prompt; edits never touch the others. */
export function conditionalRows(call: Pick<AttentionCall, 'rows'>): PromptRow[] {
  return rowsOf('conditional', call);
}

/** The conditional rows of the edited prompts: all but prompt 0. */
export function targetRows(call: Pick<AttentionCall, 'rows'>): PromptRow[] {
  return conditionalRows(call).filter(({ prompt }) => prompt > 0);
}

/** The conditional row of one prompt. @throws MissingRowError if the batch does not hold it */
export function rowOf(prompt: number, call: Pick<AttentionCall, 'rows' | 'site'>): number {
  const found = conditionalRows(call).find((row) => row.prompt === prompt);
  if (found) return found.row;
  const name = prompt === 0 ? 'the source prompt' : `target prompt ${prompt}`;
  throw new MissingRowError(
    `The batch at ${call.site.path} has no conditional row of ${name}`,
    'evaluate the source and its targets in one batch.',
  );
}

/** One row of a batch, keeping the batch axis. */
export function takeRow<T extends tf.Tensor>(batch: T, row: number): T {
  return sliceRows(batch, row, row + 1);
}

/** The batch with some of its rows replaced, each by a tensor whose first axis is 1. */
export function replaceRows<T extends tf.Tensor>(batch: T, replacements: ReadonlyMap<number, tf.Tensor>): T {
  if (replacements.size === 0) return batch;
  const parts: tf.Tensor[] = [];
  let next = 0;
  for (const [row, replacement] of [...replacements].sort(([a], [b]) => a - b)) {
    if (row > next) parts.push(sliceRows(batch, next, row));
    parts.push(replacement);
    next = row + 1;
  }
  if (next < batch.shape[0]) parts.push(sliceRows(batch, next, batch.shape[0]));
  return tf.concat(parts, 0) as T;
}

function sliceRows<T extends tf.Tensor>(batch: T, from: number, to: number): T {
  const [, ...rest] = batch.shape;
  return tf.slice(batch, [from, ...rest.map(() => 0)], [to - from, ...rest]) as T;
}
