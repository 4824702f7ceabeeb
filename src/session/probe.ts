import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';

/** Checks every site for numbers that are not finite, in one evaluation. */
export class Probe {
  private readonly seen: { readonly path: string; readonly zero: tf.Tensor }[] = [];

  readonly controller: AttentionController = {
    name: 'probe',
    wants: () => ['output'],
    onOutput: (output, { site }) => this.look(output, site.path),
    wantsFeatures: ({ site }) => site.kind === 'resnet' || site.kind === 'block',
    onFeatures: (x, { site }) => this.look(x, site.path),
  };

  /** The first site, in order of evaluation, whose result was not finite. */
  async first(): Promise<string | undefined> {
    for (const { path, zero } of this.seen) {
      if ((await zero.data())[0] !== 0) return path;
    }
    return undefined;
  }

  dispose(): void {
    tf.dispose(this.seen.map(({ zero }) => zero));
  }

  private look<T extends tf.Tensor>(x: T, path: string): T {
    this.seen.push({ path, zero: tf.keep(tf.sum(tf.mul(x, 0))) });
    return x;
  }
}
