import type * as tf from '@tensorflow/tfjs';
import { compose } from '../attention/compose';
import type { AttentionCall, AttentionController, BatchRow, Qkv } from '../attention/controller';
import { replaceRows } from '../attention/rows';
import type { Guidance } from '../guidance/guidance';
import { type MethodOfRecording, methodOfRecording } from '../inversion/recorded';
import type { Sampler } from '../sampler/sampler';
import type { Companion } from '../session/companion';
import { besideRecorded, type SourceAttention } from './recordedSource';
import type { RecordedStep, Recording } from './recording';

/** A recorded source for one run: its attention, its predictions and its latents, a step at a time. */
export class Playback implements Companion, SourceAttention {
  private first?: RecordedStep;
  private current?: RecordedStep;
  private readonly steps: AsyncIterator<RecordedStep>;

  private readonly method: MethodOfRecording;

  constructor(private readonly recording: Recording) {
    const { description, settings, length } = recording;
    this.steps = recording.steps();
    this.method = methodOfRecording(description.inversion, {
      guidance: settings.guidance as number,
      skip: settings.steps - length,
      latents: () => this.current!.tensor('latents'),
      added: () => this.current!.tensor('added'),
    });
  }

  /** What is left of the source's latents is what was recorded. */
  private readonly restored: AttentionController = {
    wants: () => [],
    onLatents: (latents) => replaceRows(latents, new Map([[0, this.current!.tensor('latents')]])),
  };

  noise(): tf.Tensor4D {
    return this.recording.noise();
  }

  around(controller?: AttentionController): AttentionController {
    const { controller: ofMethod } = this.method;
    return compose(
      this.restored,
      ...(ofMethod ? [ofMethod] : []),
      ...(controller ? [besideRecorded(this, controller)] : []),
    );
  }

  get guidance(): Guidance | undefined {
    return this.method.guidance;
  }

  sampler(usual: Sampler): Sampler {
    return this.method.sampler?.(usual) ?? usual;
  }

  get contexts(): Companion['contexts'] {
    return this.recording.has('embedding')
      ? { unconditional: () => this.current!.tensor<tf.Tensor3D>('embedding') }
      : undefined;
  }

  computes({ prompt }: BatchRow): boolean {
    return prompt > 0;
  }

  prediction(): tf.Tensor4D {
    return this.current!.tensor('prediction');
  }

  async begin(): Promise<void> {
    await this.next();
  }

  async after(): Promise<void> {
    await this.next();
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

  private async next(): Promise<void> {
    const { value, done } = await this.steps.next();
    if (done) return;
    this.current = value;
    this.first ??= value;
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
