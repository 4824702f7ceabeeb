import * as tf from '@tensorflow/tfjs';
import type { Dtype } from '../weights/dtype';
import { SafetensorsFile } from '../weights/safetensors';
import type { ByteSource } from '../weights/source';
import { differences, fromMetadata, RecordingError, type RecordedSettings, type RecordingDescription } from './description';
import type { Fingerprints } from './fingerprint';
import { fromFixedPoint } from './fixedPoint';
import { nameAt, scaleOf } from './names';

/** A source's run in a file, for any number of edits. In memory there are the file's header and the noise, no more. */
export class Recording {
  private constructor(private readonly file: SafetensorsFile, readonly description: RecordingDescription, private readonly startingNoise: Float32Array) {}

  /**
   * @param bytes `await fileBytes(path)` of the Node part, or `bytesOf(blob)`
   * @throws CheckpointError if it is no whole safetensors file; RecordingError if it is no recording
   */
  static async open(bytes: ByteSource): Promise<Recording> {
    const file = await SafetensorsFile.open(bytes);
    const description = fromMetadata(file.metadata, file.name);
    return new Recording(file, description, await file.read('noise'));
  }

  /** What to call it in a message. */
  get name(): string {
    return this.file.name;
  }

  get settings(): RecordedSettings {
    return this.description.settings;
  }

  /** What the run started from, [1, height, width, channels]; the caller's to dispose. */
  noise(): tf.Tensor4D {
    return tf.tensor(this.startingNoise, [...this.file.tensors.get('noise')!.shape] as Shape);
  }

  /** @throws RecordingError that names each setting which was asked for and is not the recorded one */
  checkSettings(asked: Partial<RecordedSettings>): void {
    const all = differences(this.settings, asked);
    if (all.length > 0) throw new RecordingError(`${this.name} was ${all.join(', ')}. Leave out what the recording says, or record a run of your own.`);
  }

  /** @throws RecordingError if the run was another model's */
  checkModel(found: Fingerprints): void {
    const { name, ...recorded } = this.description.model;
    const parts = (Object.keys(recorded) as (keyof Fingerprints)[]).filter((part) => recorded[part] !== found[part]);
    if (parts.length === 0) return;
    throw new RecordingError(`${this.name} was recorded with another model${name === undefined ? '' : ` (${name})`}: it differs from the one loaded in ${parts.join(', ')}.`);
  }

  /** Reads what was recorded of a step. @throws CheckpointError if the file cannot be read */
  async step(step: number): Promise<RecordedStep> {
    const prefix = nameAt(step, '');
    const names = [...this.file.tensors.keys()].filter((name) => name.startsWith(prefix));
    const read = names.length > 0 ? await this.file.readRun(names) : new Map<string, Uint8Array>();
    const tensors = [...read].map(([name, bytes]) => [name.slice(prefix.length), { ...this.file.tensors.get(name)!, bytes }] as const);
    return new RecordedStep(new Map(tensors), `${this.name}, step ${step}`);
  }
}

type Shape = [number, number, number, number];

interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In memory of their own. */
  readonly bytes: Uint8Array;
}

/** The tensors of one step, as bytes until they are asked for. */
export class RecordedStep {
  constructor(private readonly tensors: ReadonlyMap<string, StoredTensor>, private readonly where: string) {}

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** The caller's to dispose. @throws RecordingError if there is no such tensor */
  tensor(name: string): tf.Tensor4D {
    const { shape, dtype, bytes } = this.stored(name);
    const values = dtype === 'I16'
      ? fromFixedPoint({ numbers: new Int16Array(bytes.buffer), scales: new Float32Array(this.stored(scaleOf(name)).bytes.buffer) })
      : new Float32Array(bytes.buffer);
    return tf.tensor(values, [...shape] as Shape);
  }

  private stored(name: string): StoredTensor {
    const found = this.tensors.get(name);
    if (!found) throw new RecordingError(`${this.where}: ${name} is missing. Record the run again.`);
    return found;
  }
}
