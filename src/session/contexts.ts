import * as tf from '@tensorflow/tfjs';
import { type Context, FixedContext } from '../attention/context';
import type { BatchRow } from '../attention/controller';
import type { SessionOptions } from './options';

/** What each row of a run reads: its text, encoded once for all that have the same; or what it was given instead. */
export class RowContexts {
  private readonly fixed = new Map<string, FixedContext>();

  /**
   * @param encoded [texts, tokens, features], each text once; freed with the contexts
   * @param textOf which of the texts a row has
   * @param given by role instead of the texts; stays the caller's
   */
  constructor(
    private readonly encoded: tf.Tensor3D,
    private readonly textOf: (row: BatchRow) => number,
    private readonly given: NonNullable<SessionOptions['context']> = {},
  ) {}

  /** For the rows of a batch at one step; lent. Inside `tf.tidy`, as it may be made for the step. */
  at(rows: readonly BatchRow[], step: number): Context {
    return rows.some(({ role }) => this.given[role]) ? this.tensor(rows, step) : this.ofTexts(rows);
  }

  /** @returns [rows, tokens, features]; the caller's to dispose */
  tensor(rows: readonly BatchRow[], step: number): tf.Tensor3D {
    return tf.tidy(() => tf.concat(rows.map((row) => this.row(row, step))));
  }

  dispose(): void {
    this.encoded.dispose();
    for (const context of this.fixed.values()) context.dispose();
    this.fixed.clear();
  }

  private ofTexts(rows: readonly BatchRow[]): FixedContext {
    const texts = rows.map(this.textOf);
    const found = this.fixed.get(`${texts}`) ?? new FixedContext(tf.keep(this.encoded.clone()), texts);
    this.fixed.set(`${texts}`, found);
    return found;
  }

  private row(row: BatchRow, step: number): tf.Tensor3D {
    const given = this.given[row.role];
    if (!given) return tf.slice(this.encoded, this.textOf(row), 1);
    const all: tf.Tensor3D = typeof given === 'function' ? given(step) : 'shape' in given ? given : given[step];
    return all.shape[0] === 1 ? all : tf.slice(all, row.prompt, 1);
  }
}
