import * as tf from '@tensorflow/tfjs';

/**
 * What cross-attention reads, one encoded prompt per row: a tensor [rows, tokens, features], or a context that stays
 * the same for a whole run.
 */
export type Context = tf.Tensor3D | FixedContext;

/** A site's keys and values for a context, both [rows, heads, tokens, headSize]. */
export interface KeysAndValues {
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
}

/**
 * Encoded prompts that stay the same for a whole run. Each site's keys and values are computed at its first call, once
 * per distinct prompt, and kept until `dispose()`, which frees the prompts too. No gradient flows to the prompts: where
 * one should, pass a tensor as the context.
 */
export class FixedContext {
  /** [rows, tokens, features] of the batch. */
  readonly shape: readonly [number, number, number];
  private readonly sites = new Map<string, KeysAndValues>();

  /**
   * @param prompts [prompts, tokens, features], each distinct prompt once; disposed of with the context
   * @param rows for each row of the batch, the index of its prompt
   */
  constructor(
    private readonly prompts: tf.Tensor3D,
    private readonly rows: readonly number[],
  ) {
    this.shape = [rows.length, prompts.shape[1], prompts.shape[2]];
  }

  /** The context as a tensor, [rows, tokens, features]. The caller disposes of it. */
  tensor(): tf.Tensor3D {
    return this.toRows(this.prompts);
  }

  /** The context for a batch of only some of the rows. The caller disposes of it. */
  pick(rows: readonly number[]): FixedContext {
    return new FixedContext(
      this.prompts.clone(),
      rows.map((row) => this.rows[row]),
    );
  }

  /**
   * A site's keys and values for the rows of the batch.
   *
   * @param path the site's checkpoint path
   * @param project computes them for the given prompts
   */
  at(path: string, project: (prompts: tf.Tensor3D) => KeysAndValues): KeysAndValues {
    let kept = this.sites.get(path);
    if (!kept) {
      kept = tf.tidy(() => {
        const { k, v } = project(this.prompts);
        return { k: tf.keep(this.toRows(k)), v: tf.keep(this.toRows(v)) };
      });
      this.sites.set(path, kept);
    }
    // Clones, because a controller may keep the tensors it is given and dispose of them itself.
    return { k: tf.clone(kept.k), v: tf.clone(kept.v) };
  }

  dispose(): void {
    this.prompts.dispose();
    for (const { k, v } of this.sites.values()) tf.dispose([k, v]);
    this.sites.clear();
  }

  private toRows<T extends tf.Tensor>(ofPrompts: T): T {
    return tf.tidy(() => tf.gather(ofPrompts, tf.tensor1d([...this.rows], 'int32')));
  }
}
