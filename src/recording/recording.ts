import * as tf from '@tensorflow/tfjs';
import type { Dtype } from '../weights/dtype';
import { SafetensorsFile } from '../weights/safetensors';
import type { ByteSource } from '../weights/source';
import { changed } from './changes';
import { CHECKSUM_BYTES, Checksum } from './checksum';
import {
  differences,
  fromMetadata,
  type RecordedSettings,
  type RecordingDescription,
  RecordingError,
} from './description';
import type { Fingerprints } from './fingerprint';
import { CHECKSUMS, nameAt, scaleOf } from './names';

/** A source's run in a file, for any number of edits. Only the file's header and the noise are held in memory. */
export class Recording {
  private constructor(
    private readonly file: SafetensorsFile,
    readonly description: RecordingDescription,
    private readonly startingNoise: Float32Array,
    private readonly checksums: Uint8Array,
  ) {}

  /**
   * @param bytes `await fileBytes(path)` from the Node module, or `bytesOf(blob)`
   * @throws CheckpointError if it is not a complete safetensors file; RecordingError if it is not a recording, or was
   *   changed after it was written
   */
  static async open(bytes: ByteSource): Promise<Recording> {
    const file = await SafetensorsFile.open(bytes);
    const description = fromMetadata(file.metadata, file.name);
    const recording = new Recording(file, description, await file.read('noise'), await file.readBytes(CHECKSUMS));
    const header = await bytes.read(0, file.place('noise').begin);
    await recording.check(0, [header, await file.readBytes('noise')]);
    return recording;
  }

  /** The file's name, for messages. */
  get name(): string {
    return this.file.name;
  }

  get settings(): RecordedSettings {
    return this.description.settings;
  }

  /** The number of steps recorded. */
  get length(): number {
    return this.checksums.length / CHECKSUM_BYTES - 1;
  }

  /** What the run started from, [1, height, width, channels]. The caller disposes of it. */
  noise(): tf.Tensor4D {
    return tf.tensor(this.startingNoise, [...this.file.tensors.get('noise')!.shape] as Shape);
  }

  /** @throws RecordingError naming each requested setting that differs from the recorded one */
  checkSettings(asked: Partial<RecordedSettings>): void {
    const all = differences(this.settings, this.description.inversion === 'direct' ? ofTrajectory(asked) : asked);
    if (all.length > 0)
      throw new RecordingError(
        `${this.name} was ${all.join(', ')}. Leave out settings that the recording has, or record your own run.`,
      );
  }

  /** Whether the steps have a tensor of this name. */
  has(name: string): boolean {
    return this.file.tensors.has(nameAt(0, name));
  }

  /** @internal @throws RecordingError if the run was recorded with another model */
  checkModel(found: Fingerprints): void {
    const { name, ...recorded } = this.description.model;
    const parts = (Object.keys(recorded) as (keyof Fingerprints)[]).filter((part) => recorded[part] !== found[part]);
    if (parts.length === 0) return;
    throw new RecordingError(
      `${this.name} was recorded with another model${name === undefined ? '' : ` (${name})`}: it differs from the one loaded in ${parts.join(', ')}. LoRAs count as part of the model: give those of that run.`,
    );
  }

  /** Reads the recorded steps, one at a time. @throws CheckpointError if the file cannot be read */
  async *steps(): AsyncGenerator<RecordedStep, void, undefined> {
    let before: RecordedStep | undefined;
    for (let step = 0; step < this.length; step++) yield (before = await this.step(step, before));
  }

  /**
   * @param section 0 for the header and the noise, else the step's number plus 1
   * @param parts the section's parts, in the file's order
   */
  private async check(section: number, parts: readonly Uint8Array[]): Promise<void> {
    const checksum = new Checksum();
    for (const part of parts) await checksum.add(part);
    const found = await checksum.value();
    if (found.every((byte, i) => byte === this.checksums[section * CHECKSUM_BYTES + i])) return;
    const what = section === 0 ? 'its header or its noise' : `step ${section - 1}`;
    throw new RecordingError(
      `${this.name} is damaged: ${what} has changed since it was written. Get the file again, or record the run again.`,
    );
  }

  private async step(step: number, before?: RecordedStep): Promise<RecordedStep> {
    const prefix = nameAt(step, '');
    const names = [...this.file.tensors.keys()].filter((name) => name.startsWith(prefix));
    const read = names.length > 0 ? await this.file.readRun(names) : new Map<string, Uint8Array>();
    await this.check(step + 1, [...read.values()]);
    const stored = [...read].map(
      ([name, bytes]) => [name.slice(prefix.length), { ...this.file.tensors.get(name)!, bytes }] as const,
    );
    return RecordedStep.of(new Map(stored), `${this.name}, step ${step}`, before);
  }
}

/** The settings that matter for a source that is put back on its picture's trajectory. */
function ofTrajectory({
  seed: _,
  guidance: __,
  projectAbove: ___,
  negative: ____,
  ...rest
}: Partial<RecordedSettings>) {
  return rest;
}

type Shape = [number, number, number, number];

interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In their own buffer, so that it can be viewed as numbers. */
  readonly bytes: Uint8Array;
}

interface RecordedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** The tensors of one step. */
export class RecordedStep {
  private constructor(
    private readonly tensors: ReadonlyMap<string, RecordedTensor>,
    private readonly where: string,
  ) {}

  /** @param before the step before, which tensors stored as changes refer to */
  static of(stored: ReadonlyMap<string, StoredTensor>, where: string, before?: RecordedStep): RecordedStep {
    const find = (name: string): StoredTensor => stored.get(name) ?? missing(where, name);
    const read = (name: string, { dtype, shape, bytes }: StoredTensor): RecordedTensor => {
      if (dtype !== 'I16') return { shape, values: new Float32Array(bytes.buffer) };
      const changes = {
        numbers: new Int16Array(bytes.buffer),
        scales: new Float32Array(find(scaleOf(name)).bytes.buffer),
      };
      return {
        shape,
        values: changed((before?.tensors.get(name) ?? missing(where, `what ${name} was before`)).values, changes),
      };
    };
    return new RecordedStep(new Map([...stored].map(([name, tensor]) => [name, read(name, tensor)])), where);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** The caller disposes of it. @throws RecordingError if there is no such tensor */
  tensor<T extends tf.Tensor = tf.Tensor4D>(name: string): T {
    const { shape, values } = this.tensors.get(name) ?? missing(this.where, name);
    return tf.tensor(values, [...shape]) as T;
  }
}

function missing(where: string, what: string): never {
  throw new RecordingError(`${where}: ${what} is missing. Record the run again.`);
}
