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

/** Supplies a recorded source to one run: its attention, predictions and latents, one step at a time. */
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

  /** Puts the recorded latents in the source's row after each step. */
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
    // The text's keys and values are stored with the first step only.
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
