import { existsSync, rmSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import type { InversionProgress } from '../../inversion/method';
import { SafetensorsFile } from '../../weights/safetensors';
import { fileBytes } from '../fileSource';
import { saveSafetensors } from '../saveSafetensors';
import { UsageError } from './errors';

/** The key in the file's metadata for the settings it belongs to, as JSON. */
const KEY = 'prompt-to-prompt-null-text';

/**
 * What null-text optimisation has found so far, in a file beside the output file: after an interruption, the same
 * command resumes from it.
 */
export class Resumable {
  private readonly steps: tf.Tensor3D[] = [];

  private constructor(
    private readonly file: string,
    private readonly settings: string,
    /** The embeddings from an earlier run, [steps, tokens, features]. */
    readonly found?: tf.Tensor3D,
  ) {}

  /**
   * @param to the output file
   * @param settings what the embeddings depend on; a file with other settings is ignored
   * @param shape of the embeddings of all steps: [steps, tokens, features]
   * @throws UsageError if the file beside it is none of these, so that it is not lost, or has another shape
   */
  static async beside(
    to: string,
    settings: object,
    [steps, tokens, features]: readonly [number, number, number],
  ): Promise<Resumable> {
    const file = `${to}.part`;
    const text = JSON.stringify(settings);
    if (!existsSync(file)) return new Resumable(file, text);
    const tensors = await SafetensorsFile.open(await fileBytes(file)).catch(() => undefined);
    const shape = tensors?.tensors.get('embeddings')?.shape;
    if (!tensors?.metadata.has(KEY) || shape?.length !== 3)
      throw new UsageError(
        `${file} is not what a null-text inversion that was stopped had found, and would be replaced. Move it away, or give another --to.`,
      );
    if (tensors.metadata.get(KEY) !== text) return new Resumable(file, text);
    if (shape[0] > steps || shape[1] !== tokens || shape[2] !== features)
      throw new UsageError(
        `${file} has embeddings [${shape.join(', ')}], and this run needs [${steps} or fewer, ${tokens}, ${features}]: it was changed, and cannot be gone on from. Move it away, or give another --to.`,
      );
    return new Resumable(file, text, tf.tensor3d(await tensors.read('embeddings'), [shape[0], shape[1], shape[2]]));
  }

  /** Saves what a step has found. */
  async keep({ embedding }: InversionProgress): Promise<void> {
    if (!embedding) return;
    this.steps.push(embedding.clone());
    const found = this.found?.shape[0] ?? 0;
    if (this.steps.length <= found) return;
    const all = tf.concat(this.steps);
    const data = await all.data<'float32'>();
    all.dispose();
    await saveSafetensors(this.file, [{ name: 'embeddings', shape: all.shape, data }], { [KEY]: this.settings });
  }

  /** Call when the output file is complete: removes the saved embeddings. */
  end(): void {
    tf.dispose([...this.steps, ...(this.found ? [this.found] : [])]);
    rmSync(this.file, { force: true });
  }
}
