import * as tf from '@tensorflow/tfjs';
import type { AttentionCall, Qkv } from '../attention/controller';
import type { Predict } from '../sampler/denoise';
import type { SourceAttention } from './recordedSource';
import type { RecordedStep, Recording } from './recording';

/** A recorded source for one run: its attention and its predictions, a step at a time. Before each, {@link next}. */
export class Playback implements SourceAttention {
  private first?: RecordedStep;
  private current?: RecordedStep;
  private readonly steps: AsyncIterator<RecordedStep>;

  constructor(private readonly recording: Recording) {
    this.steps = recording.steps();
  }

  /** Goes on to the next step, or the first, if there is one. */
  async next(): Promise<void> {
    const { value, done } = await this.steps.next();
    if (done) return;
    this.current = value;
    this.first ??= value;
  }

  /** Predictions for all rows of latents, the source's first, from the targets' only. */
  besides(targets: Predict): Predict {
    return (latents, timestep, step) =>
      tf.tidy(() => {
        const [rows, ...size] = latents.shape;
        return tf.concat([
          this.current!.tensor('prediction'),
          targets(tf.slice(latents, [1, 0, 0, 0], [rows - 1, ...size]), timestep, step),
        ]);
      });
  }

  has({ site }: AttentionCall): boolean {
    return this.current!.has(`${site.path}.q`);
  }

  qkv({ site: { path, kind } }: AttentionCall): Qkv {
    const current = this.current!;
    // The text's keys and values are those of the first step.
    const ofKeys = kind === 'cross' ? this.first! : current;
    return { q: current.tensor(`${path}.q`), k: ofKeys.tensor(`${path}.k`), v: ofKeys.tensor(`${path}.v`) };
  }

  get missing(): string {
    const {
      self: { steps, maxQueries },
    } = this.recording.description;
    const what =
      steps === 0
        ? "none of the source's self-attention"
        : `the source's self-attention up to step ${steps - 1} and at grids of up to ${maxQueries} queries`;
    return `${this.recording.name} has ${what}; record more of it, or inject less.`;
  }
}
