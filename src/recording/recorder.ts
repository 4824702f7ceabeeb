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
   * Where the file goes: `fileSink(path)` of the Node part, or a {@link BlobSink}. It is whole after the run's last
   * step, and nothing is left of it if the run ends before.
   */
  readonly to: ByteSink;
  /** Everything in float32: twice the size, and no rounding. */
  readonly exact?: boolean;
  /**
   * The share of the steps, from the first on, of which self-attention is kept; as {@link
   * selfInjection} has it. Default: 0.4.
   */
  readonly self?: number;
  /** The side of the largest grid of which self-attention is kept. Default: as {@link selfInjection} has it. */
  readonly selfSize?: number;
  /** What to call the model in the file. */
  readonly model?: string;
  /** How the source's picture was inverted, if it was: {@link Inversion.recordOptions}. */
  readonly inversion?: RecordedInversion;
}

/** How a picture was inverted, as edits from its recording need to know it. */
export interface RecordedInversion {
  readonly method: string;
  /** Of the edits, where the run's own guidance and sampler are objects of the method's. */
  readonly settings: Pick<SessionOptions, 'guidance' | 'sampler' | 'steps'>;
  /** What each step adds, [1, height, width, channels] a step, where that is the picture's own; stays the caller's. */
  readonly added?: readonly tf.Tensor4D[];
}

/** The run that is recorded. */
export interface RecordedRun {
  /** All but the size, which its latents have. */
  readonly settings: Omit<RecordedSettings, 'height' | 'width'>;
  readonly pixelsPerLatent: number;
  readonly model: Fingerprints;
  /** What unconditional rows read at each step, each [1, tokens, features], where that changes; stay the caller's. */
  readonly embeddings?: readonly tf.Tensor3D[];
}

/**
 * What a recording will say of itself.
 *
 * @throws RangeError if the share of self-attention is no fraction
 */
function describe(
  { exact = false, self = 0.4, selfSize, model: name, inversion }: RecordOptions,
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

/** A tensor of the step that is being taken. */
interface Kept {
  /** `prediction`, `latents`, `embedding`, `added`, or the site's path and q, k or v. */
  readonly name: string;
  readonly tensor: tf.Tensor;
  /** In how many steps there is such a tensor, from the first on. */
  readonly steps: number;
  /** Whether from the second step on its changes are written, in int16 with a scale for each head. */
  readonly packed: boolean;
}

/**
 * Writes what edits need of the source as its run goes by, a step at a time: what the network predicts for it, after
 * guidance, its latents after the step, and at each site and step that is kept the queries, keys and values of its
 * conditional row, from which its attention follows. Keys and values of the text are the same at each step, and written
 * with the first.
 */
export class Recorder implements Companion {
  private kept: Kept[] = [];
  /** What a reader will make of the last step's packed tensors. */
  private readonly told = new Map<string, Float32Array>();
  private description!: RecordingDescription;
  private steps!: number;
  private startingNoise!: tf.Tensor4D;
  private readonly checksums: Uint8Array[] = [];
  /** Of what is being written: the head of the file, or a step. */
  private section = new Checksum();

  constructor(
    private readonly how: RecordOptions,
    private readonly recorded: RecordedRun,
  ) {}

  async begin(run: RunInfo, noise: tf.Tensor4D): Promise<void> {
    this.description = describe(this.how, run, this.recorded);
    this.steps = run.steps;
    this.startingNoise = noise;
  }

  /** Watches a run whose batch has the source's rows. */
  private readonly controller: AttentionController = {
    wants: (call) => (this.stepsOf(call) > call.step ? ['qkv'] : []),
    onQkv: (qkv, call) => {
      for (const name of ['q', 'k', 'v'] as const) this.keep(name, qkv, call);
      return qkv;
    },
    end: () => this.forget(),
  };

  /** Before the controller, which may change what there is to see. */
  around(controller?: AttentionController): AttentionController {
    return compose(this.controller, ...(controller ? [controller] : []));
  }

  /** Writes what a step has left; with the first step, the file's header before it. After the last the file is whole. */
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

  /** Nothing is left of the file if it is not whole. */
  async end(): Promise<void> {
    await this.how.to.discard();
  }

  /** The header, for which the first step has told all there will be; and the noise. */
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
      // Its own memory, as a backend's may be used again.
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

  /** In how many steps, from the first on, a site is kept. */
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
