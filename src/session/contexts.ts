import * as tf from '@tensorflow/tfjs';
import { type Context, FixedContext } from '../attention/context';
import type { BatchRow } from '../attention/controller';
import type { SessionOptions } from './options';

/** What each row of a run reads: its encoded text, with each distinct text encoded once, or a given context instead. */
export class RowContexts {
  private readonly fixed = new Map<string, FixedContext>();

  /**
   * @param encoded [texts, tokens, features], each distinct text once; disposed of with the contexts
   * @param textOf the index of a row's text
   * @param given contexts by role, which replace the texts; not disposed of
   */
  constructor(
    private readonly encoded: tf.Tensor3D,
    private readonly textOf: (row: BatchRow) => number,
    private readonly given: NonNullable<SessionOptions['context']> = {},
  ) {}

  /**
   * The context for the rows of a batch at one step. Call it inside `tf.tidy`, which disposes of what is made for the
   * step; the rest is kept.
   */
  at(rows: readonly BatchRow[], step: number): Context {
    return rows.some(({ role }) => this.given[role]) ? this.tensor(rows, step) : this.ofTexts(rows);
  }

  /** @returns [rows, tokens, features]. The caller disposes of it. */
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
