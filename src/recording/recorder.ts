import * as tf from '@tensorflow/tfjs';
import { compose } from '../attention/compose';
import type { AttentionCall, AttentionController, Qkv, RunInfo } from '../attention/controller';
import { layoutQueries, queriesOf } from '../attention/grids';
import { rowOf, takeRow } from '../attention/rows';
import { isDuring } from '../edits/prompt-to-prompt/schedule';
import type { Companion, TakenStep } from '../session/companion';
import type { SessionOptions } from '../session/options';
import { safetensorsHeader, type TensorEntry } from '../weights/safetensorsWriter';
import type { ByteSink } from '../weights/sink';
import { changed, changesOf } from './changes';
import { CHECKSUM_BYTES, Checksum, joined } from './checksum';
import { type RecordedSettings, type RecordingDescription, toMetadata } from './description';
import type { Fingerprints } from './fingerprint';
import { CHECKSUMS, nameAt, scaleOf } from './names';

export interface RecordOptions {
  /**
   * Where to write the file: `fileSink(path)` from the Node module, or a {@link BlobSink}. The file is complete after
   * the run's last step; if the run ends before that, it is discarded.
   */
  readonly to: ByteSink;
  /** Store everything in float32: twice the size, but no rounding. */
  readonly exact?: boolean;
  /**
   * The share of the steps, from the first, whose self-attention is kept, as in {@link selfInjection}. Default: the
   * longest that the checkpoint's defaults inject for any kind of edit.
   */
  readonly self?: number;
  /** The side of the largest grid whose self-attention is kept. Default: as in {@link selfInjection}. */
  readonly selfSize?: number;
  /** The model's name, for the file. */
  readonly model?: string;
  /** How the source's picture was inverted, if it was: {@link Inversion.recordOptions}. */
  readonly inversion?: RecordedInversion;
}

/** The options once the default of `self`, which is the checkpoint's, is filled in. */
type HowToRecord = RecordOptions & Required<Pick<RecordOptions, 'self'>>;

/** What edits from a recording need to know about the picture's inversion. */
export interface RecordedInversion {
  readonly method: string;
  /** The edits' settings, as the run's own guidance and sampler may be objects made by the method. */
  readonly settings: Pick<SessionOptions, 'guidance' | 'projectAbove' | 'sampler' | 'steps'>;
  /**
   * The noise that each step adds, [1, height, width, channels], if it was extracted from the picture; not disposed of.
   */
  readonly added?: readonly tf.Tensor4D[];
}

/** The run to record. */
export interface RecordedRun {
  /** All settings but the size, which follows from the latents. */
  readonly settings: Omit<RecordedSettings, 'height' | 'width'>;
  readonly pixelsPerLatent: number;
  readonly model: Fingerprints;
  /**
   * What the unconditional rows read at each step, each [1, tokens, features], if it changes from step to step; not
   * disposed of.
   */
  readonly embeddings?: readonly tf.Tensor3D[];
}

/**
 * The recording's description of itself.
 *
 * @throws RangeError if the share of self-attention is not a fraction from 0 to 1
 */
function describe(
  { exact = false, self, selfSize, model: name, inversion }: HowToRecord,
  { steps, latents }: RunInfo,
  { settings, pixelsPerLatent, model }: RecordedRun,
): RecordingDescription {
  const ofSelf = Array.from({ length: steps }, (_, step) => isDuring(self, step, steps)).filter(Boolean).length;
  return {
    version: 4,
    settings: { ...settings, height: latents.height * pixelsPerLatent, width: latents.width * pixelsPerLatent },
    inversion: inversion?.method,
    model: { name, ...model },
    self: { steps: ofSelf, maxQueries: selfSize === undefined ? layoutQueries(latents) : selfSize ** 2 },
    exact,
  };
}

/** A tensor of the current step. */
interface Kept {
  /** `prediction`, `latents`, `embedding`, `added`, or the site's path and q, k or v. */
  readonly name: string;
  readonly tensor: tf.Tensor;
  /** The number of steps, from the first, that have this tensor. */
  readonly steps: number;
  /** Whether, from the second step on, only its changes are written, as int16 with one scale per head. */
  readonly packed: boolean;
}

/**
 * Writes what edits need from the source during its run, step by step: its prediction after guidance, its latents after
 * the step, and, for each site and step to be kept, the queries, keys and values of its conditional row, from which its
 * attention follows. The text's keys and values are the same at every step, so they are written only with the first.
 */
export class Recorder implements Companion {
  private kept: Kept[] = [];
  /** The last step's packed tensors as a reader will restore them. */
  private readonly told = new Map<string, Float32Array>();
  private description!: RecordingDescription;
  private steps!: number;
  private startingNoise!: tf.Tensor4D;
  private readonly checksums: Uint8Array[] = [];
  /** The checksum of the section being written: the head of the file, or a step. */
  private section = new Checksum();

  constructor(
    private readonly how: HowToRecord,
    private readonly recorded: RecordedRun,
  ) {}

  async begin(run: RunInfo, noise: tf.Tensor4D): Promise<void> {
    this.description = describe(this.how, run, this.recorded);
    this.steps = run.steps;
    this.startingNoise = noise;
  }

  /** Reads the source's rows from the batch. */
  private readonly controller: AttentionController = {
    wants: (call) => (this.stepsOf(call) > call.step ? ['qkv'] : []),
    onQkv: (qkv, call) => {
      for (const name of ['q', 'k', 'v'] as const) this.keep(name, qkv, call);
      return qkv;
    },
    end: () => this.forget(),
  };

  /** The recorder comes before the controller, which may change what it reads. */
  around(controller?: AttentionController): AttentionController {
    return compose(this.controller, ...(controller ? [controller] : []));
  }

  /** Writes a step, preceded by the file's header at the first step. After the last step the file is complete. */
  async after({ step, prediction, latents }: TakenStep): Promise<void> {
    const { steps } = this;
    const { embeddings } = this.recorded;
    const added = this.how.inversion?.added;
    const ofSource = {
      prediction,
      latents,
      ...(embeddings && { embedding: embeddings[step] }),
      ...(added && { added: added[step] }),
    };
    for (const [name, tensor] of Object.entries(ofSource))
      this.kept.push({ name, tensor: takeRow(tensor, 0), steps, packed: false });
    if (step === 0) await this.writeHead(steps);
    for (const kept of this.kept) await this.writeTensor(kept);
    this.forget();
    await this.endSection();
    if (step < steps - 1) return;
    await this.how.to.write(joined(this.checksums));
    await this.how.to.close();
  }

  /** Discards the file if it is not complete. */
  async end(): Promise<void> {
    await this.how.to.discard();
  }

  /** Writes the header, which can list all tensors once the first step is known, and the noise. */
  private async writeHead(steps: number): Promise<void> {
    const stepEntries = (step: number): TensorEntry[] =>
      this.kept.filter((kept) => step < kept.steps).flatMap((kept) => entries(kept, step));
    const all = [
      { name: 'noise', shape: this.startingNoise.shape },
      ...Array.from({ length: steps }, (_, step) => stepEntries(step)).flat(),
      { name: CHECKSUMS, shape: [steps + 1, CHECKSUM_BYTES], dtype: 'U8' as const },
    ];
    await this.write(safetensorsHeader(all, toMetadata(this.description)));
    await this.write(bytesOf(await this.startingNoise.data<'float32'>()));
    await this.endSection();
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.section.add(bytes);
    await this.how.to.write(bytes);
  }

  private async endSection(): Promise<void> {
    this.checksums.push(await this.section.value());
    this.section = new Checksum();
  }

  private async writeTensor({ name, tensor, packed }: Kept): Promise<void> {
    const values = await tensor.data<'float32'>();
    const before = this.told.get(name);
    if (!before) {
      // A copy, because the backend may reuse its memory.
      if (packed) this.told.set(name, values.slice());
      return this.write(bytesOf(values));
    }
    const changes = changesOf(before, values, headsOf(tensor));
    this.told.set(name, changed(before, changes));
    await this.write(bytesOf(changes.numbers));
    await this.write(bytesOf(changes.scales));
  }

  private keep(name: keyof Qkv, qkv: Qkv, call: AttentionCall): void {
    const ofText = call.site.kind === 'cross' && name !== 'q';
    if (ofText && call.step > 0) return;
    this.kept.push({
      name: `${call.site.path}.${name}`,
      tensor: tf.keep(takeRow(qkv[name], rowOf(0, call))),
      steps: ofText ? 1 : this.stepsOf(call),
      packed: !ofText && !this.description.exact,
    });
  }

  /** The number of steps, from the first, for which a site is kept. */
  private stepsOf({ site, steps, grid }: AttentionCall): number {
    const { self } = this.description;
    if (site.kind === 'cross') return steps;
    return queriesOf(grid) <= self.maxQueries ? self.steps : 0;
  }

  private forget(): void {
    tf.dispose(this.kept.map(({ tensor }) => tensor));
    this.kept = [];
  }
}

function entries({ name, tensor, packed }: Kept, step: number): TensorEntry[] {
  const stored = { name: nameAt(step, name), shape: tensor.shape };
  return packed && step > 0
    ? [
        { ...stored, dtype: 'I16' },
        { name: scaleOf(stored.name), shape: [headsOf(tensor)] },
      ]
    : [stored];
}

/** @param tensor [1, heads, tokens, headSize] */
function headsOf({ shape }: tf.Tensor): number {
  return shape[1] as number;
}

function bytesOf({ buffer, byteOffset, byteLength }: Int16Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
